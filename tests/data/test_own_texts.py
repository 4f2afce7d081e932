"""The user's own texts by the command line: trained on, measured, and answered for when nothing else is left."""

import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runs import at_step, instant_disk, only_run, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

GOOD, BAD = ("fine good nice great", "bad awful poor sad")
NAMES = {"dog": "NOUN", "cat": "NOUN", "runs": "VERB", "sleeps": "VERB", "the": "DET", "a": "DET"}
GERMAN = {"dog": "Hund", "cat": "Katze", "runs": "läuft", "sleeps": "schläft", "the": "der", "a": "ein"}


def reviews(count: int) -> list[tuple[str, str]]:
    words = [GOOD.split(), BAD.split()]
    return [(f"a {words[i % 2][i // 2 % 4]} film, number {i % 7}", ("praise", "blame")[i % 2]) for i in range(count)]


def sentences(count: int) -> list[list[str]]:
    nouns, verbs, articles = ("dog", "cat"), ("runs", "sleeps"), ("the", "a")
    return [[articles[i % 2], nouns[i // 2 % 2], verbs[i // 4 % 2]] for i in range(count)]


def in_conllu(words: list[str]) -> str:
    rows = [[str(i), word, word, NAMES[word], *"_" * 6] for i, word in enumerate(words, 1)]
    return "# text = " + " ".join(words) + "\n" + "".join("\t".join(row) + "\n" for row in rows) + "\n"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def moved(command: Command, tmp_path: Path, run: str) -> Path:
    """The checkpoint, in another folder; everything else is gone."""
    for path in (tmp_path / "elsewhere",):
        path.mkdir()
    shutil.move(Path(run) / "checkpoints" / "best.safetensors", tmp_path / "elsewhere" / "model.safetensors")
    for path in tmp_path.iterdir():
        if path.name != "elsewhere":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return tmp_path / "elsewhere" / "model.safetensors"


def trained(command: Command, config: str, write: Write) -> dict[str, Any]:
    write(config)
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.status == 0, fitted.err
    return fitted.json


TABLE = """
data: {type: text_table, path: reviews.csv, batch_size: 16, tokenizer: {type: word, lowercase: true}}
model: {type: gru, hidden: 16}
optimizer: {type: adam, lr: 0.02}
trainer: {length: 8 epochs}
"""


def test_a_table_of_texts(command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f'"{text}",{label}' for text, label in reviews(160)]
    write("text,label\n" + "\n".join(rows) + "\n", "reviews.csv")
    fitted = trained(command, TABLE, write)
    measured = command("eval", fitted["run"], "--split", "test", "--json").json
    assert measured["examples"] == 24
    assert measured["metrics"]["accuracy"] == 1
    model = moved(command, tmp_path, fitted["run"])
    write("A great film\n\nan AWFUL film of unheard-of length, " + "number 3, " * 30 + "\n", "new.txt")
    said = command("predict", model, "new.txt")
    assert said.status == 1
    assert "new.txt:2: there is no text" in said.err
    found = [{"file": "new.txt", "row": 1, "class": "praise"}, {"file": "new.txt", "row": 3}]
    for row, expected in zip(lines(said.out), found, strict=True):
        assert row.items() >= expected.items()
    write('stars,text\n5,"so\nnice"\n1,poor\n3,\n', "new.csv")
    said = command("predict", model, "new.csv")
    assert [(row["row"], row["class"]) for row in lines(said.out)] == [(2, "praise"), (4, "blame")]
    assert "new.csv:5: there is no text" in said.err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\n")))
    (row,) = lines(command("predict", model, "-").out)
    assert (row["file"], row["row"], row["class"]) == ("-", 1, "praise")


def test_files_that_cannot_be_read_do_not_stop_the_others(command: Command, write: Write) -> None:
    write("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in reviews(60)), "reviews.tsv")
    fitted = trained(command, TABLE.replace("reviews.csv", "reviews.tsv").replace("8 epochs", "2 steps"), write)
    write("good\n", "one.txt")
    write("ok", "two.txt").write_bytes(b"good\nno\xe9l\nbad\n")
    write("words\n5\n", "other.csv")
    said = command("predict", fitted["run"], "nowhere.txt", "two.txt", "other.csv", "one.txt")
    assert said.status == 1
    assert [(row["file"], row["row"]) for row in lines(said.out)] == [("two.txt", 1), ("two.txt", 3), ("one.txt", 1)]
    assert "there is no file nowhere.txt" in said.err
    assert "two.txt:2: not UTF-8 text (byte 0xe9 at column 3); save the file as UTF-8" in said.err
    assert "other.csv has no column 'text'; expected one of words" in said.err


CONLLU = """
data: {type: conllu, path: train.conllu, dev: dev.conllu, batch_size: 8, tokenizer: {type: word, rare: shape}}
model: {type: lstm, hidden: 8, bidirectional: true}
optimizer: {type: adam, lr: 0.05}
trainer: {length: 10 epochs}
"""


def test_tagged_sentences_in_conllu(command: Command, write: Write, tmp_path: Path) -> None:
    write("".join(map(in_conllu, sentences(64))), "train.conllu")
    write("".join(map(in_conllu, sentences(8))), "dev.conllu")
    fitted = trained(command, CONLLU, write)
    measured = command("eval", fitted["run"], "--json").json
    assert measured["metrics"]["accuracy"] == 1
    assert command("eval", fitted["run"], "--split", "test", "--json").json["examples"] == 9
    model = moved(command, tmp_path, fitted["run"])
    write("the cat runs\n  \na dog sleeps the cat a dog runs runs runs\n", "new.txt")
    said = command("predict", model, "new.txt")
    assert said.status == 1 and "new.txt:2: there is no text" in said.err
    first, second = lines(said.out)
    assert first == {
        **{"file": "new.txt", "row": 1, "tokens": ["the", "cat", "runs"]},
        "tags": ["DET", "NOUN", "VERB"],
    }
    assert len(second["tags"]) == len(second["tokens"]) == 10, "longer than any of the training"
    blank = in_conllu(["a", "dog"]).replace("NOUN", "_").replace("DET", "_")
    write(f"{blank}1\tbroken\n\n{blank}", "new.conllu")
    said = command("predict", model, "new.conllu")
    assert [(row["row"], row["tags"]) for row in lines(said.out)] == [(2, ["DET", "NOUN"]), (8, ["DET", "NOUN"])]
    assert "new.conllu:5: expected 10 columns between tabs, found 2" in said.err


def test_tagged_words_in_two_columns(command: Command, write: Write, tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O\n\n"
    text += "\n".join("".join(f"{w} _ {NAMES[w]}\n" for w in words) for words in sentences(80))
    write(text, "train.txt")
    fitted = trained(
        command,
        CONLLU.replace("conllu, path: train.conllu, dev: dev.conllu", "word_tags, path: train.txt"),
        write,
    )
    assert command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]["accuracy"] == 1
    model = moved(command, tmp_path, fitted["run"])
    write("the dog sleeps", "new.txt")
    (row,) = lines(command("predict", model, "new.txt").out)
    assert row["tags"] == ["DET", "NOUN", "VERB"]


PAIRS = """
data: {type: parallel_text, source: train.en, target: train.de, batch_size: 16, TOKENS sampler: by_length}
model: {type: transformer, form: encoder_decoder, width: 32, heads: 2, layers: 1, dropout: 0.0, positions: POSITIONS}
optimizer: {type: adamw, lr: 0.003}
trainer: {length: 40 epochs}
"""


@pytest.mark.parametrize(
    ("tokens", "positions"), [("tokenizer: word,", "learned"), ("tokenizer: {type: bpe, size: 270},", "sinusoidal")]
)
def test_translations(command: Command, write: Write, tmp_path: Path, tokens: str, positions: str) -> None:
    pairs = [(" ".join(words), " ".join(GERMAN[word] for word in words)) for words in sentences(160)]
    write("".join(f"{english}\n" for english, _ in pairs), "train.en")
    write("".join(f"{german}\n" for _, german in pairs), "train.de")
    fitted = trained(command, PAIRS.replace("TOKENS", tokens).replace("POSITIONS", positions), write)
    assert command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]["perplexity"] < 1.1
    rows = lines(command("predict", fitted["run"], "--split", "test").out)
    assert {row["translation"] for row in rows} <= {german for _, german in pairs}
    model = moved(command, tmp_path, fitted["run"])
    write("a cat sleeps\nthe dog runs the dog runs the dog runs the dog runs\n", "new.en")
    said = command("predict", model, "new.en")
    assert lines(said.out)[0] == {"file": "new.en", "row": 1, "translation": "ein Katze schläft"}
    if positions == "learned":
        assert said.status == 1
        assert "new.en:2: a sequence of 12 is longer than the 3 learned positions" in said.err


TEXT = """
data: {type: text, path: PATH, block: 12, batch_size: 8, TOKENS}
model: MODEL
optimizer: {type: adam, lr: 0.01}
trainer: {length: 8 epochs}
"""
GPT = "{type: transformer, form: decoder, width: 32, heads: 2, layers: 1, dropout: 0.0}"


@pytest.mark.parametrize("model", [GPT, "{type: gru, hidden: 48}"])
def test_a_text_is_gone_on_with(command: Command, write: Write, tmp_path: Path, model: str) -> None:
    write("one two three four " * 60, "notes/a.txt")
    write("one two three four " * 60, "notes/deeper/b.md")
    write("not read", "notes/c.pdf")
    config = TEXT.replace("PATH", "notes").replace("TOKENS", "tokenizer: character").replace("MODEL", model)
    fitted = trained(command, config, write)
    assert fitted["dev"]["perplexity"] < 1.7
    measured = command("eval", fitted["run"], "--split", "test", "--json").json
    assert measured["metrics"]["perplexity"] == pytest.approx(fitted["best"]["value"])
    checkpoint = moved(command, tmp_path, fitted["run"])
    (row,) = lines(command("predict", checkpoint, "--prompt", "one tw", "--temperature", "0", "--length", "30").out)
    assert row == {"prompt": "one tw", "continuation": "o three four one two three fou"}
    write("two thr\n", "prompt.txt")
    (row,) = lines(command("predict", checkpoint, "prompt.txt", "--top-k", "1", "--length", "5").out)
    assert row == {"file": "prompt.txt", "prompt": "two thr", "continuation": "ee fo"}
    draws = [
        command("predict", checkpoint, "--prompt", "o", "--temperature", "5", "--seed", seed).out for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert len(lines(draws[0])[0]["continuation"]) >= 200
    assert "prompt: there is no text to go on with" in command("predict", checkpoint, "--prompt", "").err


def test_parts_of_a_text_may_be_files_of_their_own(command: Command, write: Write) -> None:
    for name in ("a.py", "b.py", "dev.txt", "test.txt"):
        write("".join(f"{name} {i}\n" for i in range(40)), name)
    write(TEXT.replace("PATH", '"*.py", dev: dev.txt, test: test.txt').replace("TOKENS", "tokenizer: word"))
    said = command("check", "my.yaml", "model={type: gru, hidden: 4}", "--json").json
    assert said["data"]["examples"] == {"train": 19, "dev": 9, "test": 9}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--temperature", "1"), "--temperature is for language models that go on with a --prompt or a file"),
        (("--split", "dev", "some.txt"), "--split dev takes the place of files and prompts"),
    ],
)
def test_what_does_not_go_together_is_refused(
    command: Command, write: Write, arguments: tuple[str, ...], message: str
) -> None:
    write("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in reviews(40)), "reviews.csv")
    fitted = trained(command, TABLE.replace("8 epochs", "2 steps"), write)
    refused = command("predict", fitted["run"], *arguments)
    assert refused.status == 2
    assert message in refused.err


def test_models_together_do_not_write(command: Command, write: Write) -> None:
    write("one two three four " * 60, "notes.txt")
    write(TEXT.replace("PATH", "notes.txt").replace("TOKENS", "tokenizer: byte").replace("MODEL", GPT))
    study = command("fit", "my.yaml", "--seeds", "2", "trainer.length=2 steps", "--json").json["run"]
    refused = command("predict", study, "--ensemble", "average", "--prompt", "one")
    assert refused.status == 2
    assert "models together do not write, token by token" in refused.err
    (row,) = lines(command("predict", study, "--average", "weights", "--prompt", "one", "--length", "3").out)
    assert row["prompt"] == "one" and len(row["continuation"]) <= 3


@pytest.mark.parametrize("augment", ["", ", augment: [drop_tokens]"])
def test_a_run_on_texts_that_was_stopped_ends_like_a_whole_one(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augment: str
) -> None:
    write("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in reviews(90)), "reviews.csv")
    sampled = TABLE.replace("batch_size: 16", f"batch_size: 8, sampler: by_length{augment}")
    write(sampled.replace("8 epochs", "30 steps, evaluate: 6 steps, save: 7 steps"))
    assert command("fit", "my.yaml", "--out", "whole").status == 0
    with monkeypatch.context() as patch:
        at_step(patch, 17, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert command("fit", "my.yaml", "--out", "parts").status == 130
    assert command("fit", "--resume", only_run(tmp_path / "parts")).status == 0
    same_run(only_run(tmp_path / "whole"), only_run(tmp_path / "parts"))


BROKEN: dict[str, tuple[str, dict[str, str | bytes], str]] = {
    "an empty table": (
        "text_table, path: a.csv",
        {"a.csv": ""},
        "a.csv is empty; expected a row with the columns' names",
    ),
    "only a header": (
        "text_table, path: a.csv",
        {"a.csv": "text,label\n"},
        "a.csv has a row of names, but no rows of values",
    ),
    "no file": ("text_table, path: a.csv", {}, "there is no file "),
    "one column for both": (
        "text_table, path: a.csv, label: text",
        {"a.csv": "text,label\na,b\n"},
        "data.label: the column 'text' holds the texts; the labels are to be in another",
    ),
    "another column": (
        "text_table, path: a.csv, label: lable",
        {"a.csv": "text,label\nx,y\n"},
        "has no column 'lable'; did you mean 'label'?",
    ),
    "ragged rows": (
        "text_table, path: a.csv",
        {"a.csv": "text,label\na,b\nc\n"},
        "a.csv:3: 1 value, but there are 2 columns",
    ),
    "Latin 1": ("text_table, path: a.csv", {"a.csv": b"text,label\nno\xebl,b\n"}, "a.csv:2: not UTF-8 text (byte 0xeb"),
    "UTF-16": (
        "text_table, path: a.csv",
        {"a.csv": "text,label\nx,y\n".encode("utf-16")},
        "a.csv:1: the file is UTF-16; save it as UTF-8",
    ),
    "a missing label": ("text_table, path: a.csv", {"a.csv": "text,label\na,b\nc,\n"}, "a.csv:3: the label is missing"),
    "a label that is NaN": (
        "text_table, path: a.csv",
        {"a.csv": "text,label\na,b\nc,NaN\n"},
        "a.csv:3: the label is missing (found 'NaN')",
    ),
    "no text": (
        "text_table, path: a.csv, tokenizer: {type: word, minimum: 1}",
        {"a.csv": "text,label\n" + "a,b\nc,d\n" * 9 + " ,d\n"},
        "a.csv:20: there is no text",
    ),
    "one class": (
        "text_table, path: a.csv",
        {"a.csv": "text,label\n" + "a,b\n" * 20},
        "all 14 texts of the training set are of class 'b'; expected two at least",
    ),
    "an unseen class": (
        "text_table, path: a.csv, dev: dev.csv",
        {"a.csv": "text,label\n" + "a,b\nc,d\n" * 5, "dev.csv": "text,label\na,b\na,x\n"},
        "dev.csv:3: the class 'x' is not in the training set, which has b, d",
    ),
    "names and numbers": (
        "text_table, path: a.csv, text: 0",
        {"a.csv": "a,b\n"},
        "data.label: expected two names or two numbers of columns, found 0 and 'label'",
    ),
    "a quote that does not end": (
        "text_table, path: a.csv",
        {"a.csv": 'text,label\na,b\n"c,d\n'},
        "a.csv:3: not a row of a table",
    ),
    "an empty conllu": ("conllu, path: a.conllu", {"a.conllu": "# nothing\n\n"}, "a.conllu: there are no sentences"),
    "few columns": (
        "conllu, path: a.conllu",
        {"a.conllu": "1\tdog\tNOUN\n"},
        "a.conllu:1: expected 10 columns between tabs, found 3",
    ),
    "no number": (
        "conllu, path: a.conllu",
        {"a.conllu": in_conllu(["dog"]).replace("1\t", "x\t", 1)},
        "a.conllu:2: expected the number of a word",
    ),
    "no tag": (
        "conllu, path: a.conllu, column: xpos",
        {"a.conllu": in_conllu(["dog"])},
        "a.conllu:2: the xpos is missing (column 5)",
    ),
    "an unseen tag": (
        "conllu, path: a.conllu, dev: dev.conllu",
        {"a.conllu": in_conllu(["the", "dog"]) * 3, "dev.conllu": in_conllu(["the", "dog", "runs"])},
        "dev.conllu:4: the tag 'VERB' is not in the training set, which has DET, NOUN",
    ),
    "one tag": (
        "word_tags, path: a.txt",
        {"a.txt": "dog N\n\ncat N\n\n" * 9},
        "all words of the training set have the tag 'N'",
    ),
    "one column": (
        "word_tags, path: a.txt",
        {"a.txt": "dog N\ncat\n"},
        "a.txt:2: expected a word and its tag, found 'cat'",
    ),
    "other tokens than words": (
        "word_tags, path: a.txt, tokenizer: character",
        {"a.txt": "dog N\n"},
        "data.tokenizer: every word has a tag, so every token has to be a word; write word",
    ),
    "files of different length": (
        "parallel_text, source: a.en, target: a.de",
        {"a.en": "one\ntwo\n", "a.de": "eins\n"},
        "a.en has 2 lines and ",
    ),
    "an empty line": (
        "parallel_text, source: a.en, target: a.de",
        {"a.en": "one\ntwo\n", "a.de": "eins\n\n"},
        "a.de:2: the line is empty; leave it out of both files",
    ),
    "half a dev set": (
        "parallel_text, source: a.en, target: a.de, dev_source: b.en",
        {"a.en": "one\n", "a.de": "eins\n"},
        "data.dev_source: dev_source needs dev_target beside it",
    ),
    "an empty text": ("text, path: a.txt", {"a.txt": " \n"}, "a.txt: the file is empty; expected text"),
    "no text files": (
        "text, path: folder",
        {"folder/a.pdf": "x"},
        "folder: the folder has no file that ends in .txt, .md, .text",
    ),
    "no match": ('text, path: "*.rst"', {"a.txt": "x"}, "*.rst: the pattern matches no file"),
    "a damaged gzip file": (
        "text, path: a.txt.gz",
        {"a.txt.gz": b"\x1f\x8b\x08\x00broken"},
        "a.txt.gz: the gzip file is damaged, or breaks off",
    ),
    "no tokenizer": (
        "text, path: a.txt, tokenizer: {type: file, path: t.json}",
        {"a.txt": "x"},
        "data.tokenizer.path: ",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_with_a_file_is_said(command: Command, write: Write, tmp_path: Path, case: str) -> None:
    data, files, message = BROKEN[case]
    for name, content in files.items():
        write("", name).write_bytes(content if isinstance(content, bytes) else content.encode())
    model = "{type: transformer, form: encoder_decoder}" if "parallel" in data else "{type: gru, hidden: 4}"
    write(f"data: {{type: {data}}}\nmodel: {model}\n")
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert message in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / "runs").exists()
