"""What is hidden in a text, by the command line as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runs import instant_disk, pictures  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

CONFIG = """
data: {type: text, path: notes.txt, block: 16, batch_size: 16, tokenizer: TOKENIZER}
model: MODEL
task: masked_language_model
metrics: [unigram_perplexity]
optimizer: {type: adam, lr: 0.01}
trainer: {length: 25 epochs, evaluate: 5 epochs}
"""
ENCODER = "{type: transformer, width: 32, heads: 2, layers: 1, dropout: 0.0, positions: rotary}"
BOTH_WAYS = "{type: gru, hidden: 32, bidirectional: true}"


@pytest.fixture
def run(command: Command, write: Write, request: pytest.FixtureRequest) -> Path:
    tokenizer, model = getattr(request, "param", ("word", BOTH_WAYS))
    write("one two three four five " * 300, "notes.txt")
    write(CONFIG.replace("TOKENIZER", tokenizer).replace("MODEL", model))
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["best"]["metric"] == "dev/perplexity"
    return Path(fitted.json["run"])


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("run", [("word", ENCODER), ("character", BOTH_WAYS)], indirect=True)
def test_it_learns_what_stands_between(command: Command, run: Path) -> None:
    measured = command("eval", run, "--split", "dev", "--json").json["metrics"]
    assert measured["perplexity"] < measured["unigram_perplexity"] / 2
    assert measured["accuracy"] > 0.8
    in_small_batches = command("eval", run, "--split", "dev", "data.batch_size=3", "--json").json["metrics"]
    assert in_small_batches == pytest.approx(measured, rel=1e-5)
    again = command("eval", run, "--split", "dev", "seed=5", "--json").json["metrics"]
    assert again == measured  # the same places are hidden every time


def test_predict_fills_in_files_and_prompts(command: Command, run: Path, write: Write) -> None:
    write("three [MASK] five one [MASK] three\n", "new.txt")
    write("nothing is hidden here\n", "whole.txt")
    said = command("predict", run, "new.txt", "whole.txt", "missing.txt", "--prompt", "one two [MASK] four")
    first, asked = rows(said.out)
    assert {name: first[name] for name in ("file", "filled", "guesses")} == {
        "file": "new.txt",
        "filled": "three four five one two three",
        "guesses": ["four", "two"],
    }
    assert all(0.5 < probability <= 1 for probability in first["probabilities"]) and len(first["probabilities"]) == 2
    assert asked["prompt"] == "one two [MASK] four" and asked["filled"] == "one two three four"
    assert said.status == 1
    assert "whole.txt: there is no [MASK] to be filled in" in said.err
    assert "there is no file missing.txt" in said.err
    (of_dev, *_) = rows(command("predict", run, "--split", "dev").out)
    assert len(of_dev["guesses"]) == len(of_dev["probabilities"]) == round(0.15 * 16)


def test_hidden_places_and_guesses_are_shown_at_every_evaluation(run: Path) -> None:
    shown = {step: text.decode() for (tag, step), text in pictures(run).items() if "filled" in tag}
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sorted(shown) == steps and len(steps) == 5
    masked, filled, *_ = (part.strip() for part in shown[steps[-1]].split("```") if part.strip())
    assert masked.count("[MASK]") == round(0.15 * 16)
    assert "[MASK]" not in filled
    assert set(filled.split()) == {"one", "two", "three", "four", "five"}


def test_a_run_says_which_text_it_saw(run: Path) -> None:
    data = json.loads((run / "environment.json").read_text())["data"]
    assert len(data["sha256"]) == 64 and data["tokens"]["train"] > data["tokens"]["dev"] > 0


def test_a_language_model_takes_a_mask_for_text(command: Command, write: Write) -> None:
    write("one two three four five " * 60, "notes.txt")
    write(CONFIG.replace("TOKENIZER", "word").replace("MODEL", "{type: gru, hidden: 8}").replace("masked_", ""))
    fitted = command("fit", "my.yaml", "trainer.length=2 steps", "trainer.evaluate=1 steps", "--json")
    (row,) = rows(command("predict", fitted.json["run"], "--prompt", "one [MASK]", "--length", "2").out)
    assert "continuation" in row


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("data: {type: iris}\nmodel: {type: mlp, hidden: [4]}", "masked_language_model takes tokens"),
        (
            "data: {type: standard_library, size: 20000}\nmodel: {type: gru, hidden: 4}\nmetrics: [bleu]",
            "bleu takes sequences that a model writes",
        ),
    ],
)
def test_what_does_not_fit_is_refused(command: Command, write: Write, config: str, message: str) -> None:
    write(f"{config}\ntask: masked_language_model\n")
    refused = command("check", "my.yaml")
    assert refused.status == 2
    assert message in refused.err
