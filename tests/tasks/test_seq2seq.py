"""Sequences turned into others, by the command line as a user types it, on a few sentences made here."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made import made, transformer
from sacrebleu import corpus_bleu

from nntrain.batch import IGNORED
from nntrain.data.recall import reversal_pairs
from nntrain.data.tensor_split import TensorSplit
from nntrain.device import Device
from nntrain.evaluate import evaluate
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.metrics.parts import OfPart
from runs import instant_disk, pictures  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

WORDS = {"the": "die", "small": "kleine", "grey": "graue", "cat": "Katze", "mouse": "Maus", "sees": "sieht", ".": "."}
CONFIG = """
data: {type: parallel_text, source: a.en, target: a.de, batch_size: 16, tokenizer: word, sampler: by_length}
model: MODEL
task: {type: seq2seq, label_smoothing: 0.1, written: 7}
optimizer: {type: adam, lr: 0.01}
trainer: {length: 12 epochs, evaluate: 3 epochs, clip: 1.0}
"""
LSTM = "{type: rnn_encoder_decoder, hidden: 32, attention: ATTENTION}"
MODELS = [LSTM.replace("ATTENTION", attention) for attention in ("luong", "bahdanau")]


def sentences() -> list[tuple[str, str]]:
    kinds = [("the", *colour, noun) for colour in ((), ("small",), ("grey",)) for noun in ("cat", "mouse")]
    english = [" ".join((*one, "sees", *other, ".")) for one in kinds for other in kinds]
    return [(text, " ".join(WORDS[word] for word in text.split())) for text in english * 6]


@pytest.fixture
def run(command: Command, write: Write, request: pytest.FixtureRequest) -> Path:
    write("".join(f"{english}\n" for english, _ in sentences()), "a.en")
    write("".join(f"{german}\n" for _, german in sentences()), "a.de")
    write(CONFIG.replace("MODEL", getattr(request, "param", MODELS[0])))
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.status == 0, fitted.err
    return Path(fitted.json["run"])


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("run", MODELS, indirect=True)
def test_it_learns_to_translate(command: Command, run: Path) -> None:
    """What is measured does not depend on the size of the batches."""
    measured = command("eval", run, "--split", "test", "--json").json["metrics"]
    assert set(measured) == {"loss", "perplexity", "error_rate", "exact_match", "bleu"}
    found = [row["translation"] for row in rows(command("predict", run, "--split", "test").out)]
    examples = [row["example"] for row in rows(command("predict", run, "--split", "test").out)]
    assert examples == list(range(len(found)))
    assert measured["exact_match"] > 0.9
    in_words = {german: english for english, german in sentences()}
    assert measured["exact_match"] <= sum(text in in_words for text in found) / len(found)
    in_small_batches = command("eval", run, "--split", "test", "data.batch_size=3", "--json").json["metrics"]
    assert in_small_batches == pytest.approx(measured, rel=1e-5)
    seen = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"bleu", "exact_match", "perplexity", "error_rate"} <= set(seen["dev"]) & set(seen["train"])


def test_predict_translates_files_and_prompts(command: Command, run: Path, write: Write, tmp_path: Path) -> None:
    write("the grey cat sees the mouse .\n\nthe small mouse sees the cat .\n", "new.en")
    said = command("predict", run, "new.en")
    assert said.status == 1  # of the empty line
    assert "new.en:2: there is no text" in said.err
    first, second = rows(said.out)
    assert first == {"file": "new.en", "row": 1, "translation": "die graue Katze sieht die Maus ."}
    assert second == {"file": "new.en", "row": 3, "translation": "die kleine Maus sieht die Katze ."}
    (asked,) = rows(command("predict", run, "--prompt", "the cat sees the small cat .").out)
    assert asked == {"prompt": "the cat sees the small cat .", "translation": "die Katze sieht die kleine Katze ."}
    assert command("predict", run, "new.en", "--out", "new.csv").status == 1
    with (tmp_path / "new.csv").open(encoding="utf-8") as file:
        assert [row["translation"] for row in csv.DictReader(file)] == [first["translation"], second["translation"]]
    refused = command("predict", run, "--prompt", "the cat", "--top-k", "3")
    assert refused.status == 2 and "--top-k is for language models" in refused.err


def test_bleu_of_eval_is_that_of_what_predict_writes(command: Command, run: Path, write: Write) -> None:
    """With a network that has learned little, so that not everything is right."""
    early = command("fit", "my.yaml", "trainer.length=3 epochs", "trainer.evaluate=1 epochs", "--json").json["run"]
    write("".join(f"{english}\n" for english, _ in sentences()[:36]), "new.en")
    write("".join(f"{german}\n" for _, german in sentences()[:36]), "new.de")
    found = [row["translation"] for row in rows(command("predict", early, "new.en", "task.beam=2").out)]
    tests = ["data.test_source=new.en", "data.test_target=new.de"]
    measured = command("eval", early, "--split", "test", "task.beam=2", *tests, "--json").json["metrics"]
    expected = corpus_bleu(found, [[german for _, german in sentences()[:36]]]).score
    assert 0 < expected < 100
    assert measured["bleu"] == pytest.approx(expected, abs=1e-6)


def test_sources_targets_and_translations_are_shown_at_every_evaluation(run: Path) -> None:
    shown = {step: text.decode() for (tag, step), text in pictures(run).items() if "translations" in tag}
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sorted(shown) == steps and len(steps) == 4
    head, _, *others = shown[steps[-1]].splitlines()
    assert head == "| source | target | written |"
    pairs = dict(sentences())
    for row in others:
        source, target, written = (cell.strip() for cell in row.strip("|").split("|"))
        assert pairs[source] == target
        assert set(written.split()) <= set(WORDS.values())


def test_evaluation_in_training_writes_for_some_examples_and_eval_for_all() -> None:
    torch.manual_seed(0)
    source = reversal_pairs(length=3, symbols=3, examples=60)
    net = transformer(source.inputs, source.targets, "encoder_decoder").eval()
    task = made("task", {"type": "seq2seq", "written": 7}, source.inputs, None)

    class Seen:
        better = "higher"

        def measure(self, predictions: Any, targets: Any) -> torch.Tensor:
            return torch.tensor(len(predictions))

        def value(self, state: torch.Tensor) -> float:
            return float(state)

    split = TensorSplit(source.train.inputs, source.train.targets, 8)
    seen = {name: OfPart(name, Seen()) for name in ("written", "foretold")}
    for is_thorough, count in ((False, 7), (True, 60)):
        numbers = evaluate(net, task, split, seen, Device("cpu"), is_thorough=is_thorough).numbers
        assert numbers["written"] == count and numbers["foretold"] == 60


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_smoothing_of_many_classes_is_that_of_distributions(share: float) -> None:
    """L = (1 - e) (-log p_y) + e / K sum_c (-log p_c); IGNORED counts nothing."""
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 3, 7, dtype=torch.double), torch.randint(7, (4, 3))
    labels[0, 2] = IGNORED
    surprise = -logits.log_softmax(dim=-1)
    own = surprise.gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)
    expected = ((1 - share) * own + share * surprise.mean(dim=-1)) * (labels != IGNORED)
    found = CrossEntropy(None).smoothed(logits, labels, share)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected)


def test_only_pairs_are_translated(command: Command, write: Write) -> None:
    write("data: {type: standard_library, size: 20000}\nmodel: {type: gru, hidden: 4}\ntask: seq2seq\n")
    refused = command("check", "my.yaml")
    assert refused.status == 2
    assert "seq2seq takes pairs of sequences" in refused.err


def test_a_beam_of_one_has_no_length_penalty(command: Command, write: Write) -> None:
    write(
        "data: {type: reversal_pairs, examples: 60}\nmodel: {type: rnn_encoder_decoder, hidden: 4}\n"
        "task: {type: seq2seq, beam: 1, length_penalty: 1}\n"
    )
    refused = command("check", "my.yaml")
    assert refused.status == 2
    assert "task.length_penalty: a beam of 1 compares no targets" in refused.err


def test_models_together_do_not_translate(command: Command, write: Write) -> None:
    write(
        "data: {type: reversal_pairs, length: 3, symbols: 4, examples: 60}\n"
        "model: {type: rnn_encoder_decoder, hidden: 4}\ntrainer: {length: 2 steps}\n"
    )
    study = command("fit", "my.yaml", "--seeds", "2", "--json").json["run"]
    refused = command("eval", study, "--ensemble", "average")
    assert refused.status == 2
    assert "models together do not write" in refused.err
    assert command("eval", study, "--average", "weights").status == 0
    refused = command("predict", study, "--average", "weights", "--prompt", "a b")
    assert refused.status == 2 and "--prompt is for models of texts" in refused.err


def test_bleu_is_of_what_is_written(command: Command, write: Write) -> None:
    write(
        "data: {type: digits, batch_size: 200}\nmodel: {type: mlp, hidden: [4]}\nmetrics: [bleu]\n"
        "trainer: {length: 2 steps}\n"
    )
    refused = command("check", "my.yaml")
    assert refused.status == 2
    assert "bleu takes sequences that a model writes" in refused.err
