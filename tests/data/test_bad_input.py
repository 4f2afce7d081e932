"""Input that cannot be trained on, of every kind: by the command line, with the file, the row and the reason."""

import gzip
import io
import struct
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., Any]
Files = Mapping[str, str | bytes]

TABLE = "data: {type: table, path: a.csv, target: y}\nmodel: linear\n"
CLASSES = "x,y\n" + "".join(f"{i * 0.5},{'ab'[i % 2]}\n" for i in range(40))
VALUES = "x,y\n" + "".join(f"{i * 0.5},{i * 1.1}\n" for i in range(40))

TEXTS = "data: {type: text_table, path: a.csv}\nmodel: {type: gru, hidden: 4}\n"
REVIEWS = "text,label\n" + "good,a\nbad,b\n" * 10

SERIES = "data: {type: sequence_table, path: a.csv, id: id, target: y}\nmodel: {type: gru, hidden: 4}\n"
STEPS = "id,x,y\n" + "".join(f"s{i},{t + i % 2},{'ab'[i % 2]}\n" for i in range(20) for t in range(3))

GRAPH = "data: {type: graph, nodes: n.csv, edges: e.csv}\nmodel: {type: gnn, hidden: [4]}\n"
NODES = "id,x,label\n" + "".join(f"n{i},{i % 3},{'ab'[i % 2]}\n" for i in range(30))
EDGES = "source,target\n" + "".join(f"n{i},n{(i + 2) % 30}\n" for i in range(30))

PAIRS = """
data: {type: parallel_text, source: a.en, target: a.de}
model: {type: transformer, form: encoder_decoder, width: 8, heads: 2, layers: 1}
"""
WORDS = "data: {type: word_tags, path: a.txt}\nmodel: {type: gru, hidden: 4}\n"
TEXT = "data: {type: text, path: a.txt}\nmodel: {type: transformer, form: decoder, width: 8, heads: 2, layers: 1}\n"
IMAGES = "data: {type: image_folder, path: p}\nmodel: {type: mlp, hidden: [4]}\n"
SOUNDS = "data: {type: audio_folder, path: p}\nmodel: {type: gru, hidden: 4}\n"


def picture(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), grey).save(file, "PNG")
    return file.getvalue()


def recording(pitch: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((np.sin(np.arange(800) * pitch) * 9999).astype("<i2").tobytes())
    return file.getvalue()


PICTURES = {f"p/{name}/{i}.png": picture(50 * k + i) for k, name in enumerate("ab") for i in range(12)}
RECORDINGS = {f"p/{name}/{i}.wav": recording(0.1 + 0.5 * k) for k, name in enumerate("ab") for i in range(12)}
LABELS = "file,label,part\n" + "".join(
    f"{name}/{i}.png,{name},{'train' if i < 8 else 'dev'}\n" for name in "ab" for i in range(12)
)


def in_parts(files: Files) -> dict[str, str | bytes]:
    return {name.replace("p/", "p/train/"): content for name, content in files.items()}


GOOD: dict[str, tuple[str, Files]] = {
    "table": (TABLE, {"a.csv": CLASSES}),
    "values": (TABLE, {"a.csv": VALUES}),
    "packed": (TABLE.replace("a.csv", "a.csv.gz"), {"a.csv.gz": gzip.compress(CLASSES.encode())}),
    "series": (SERIES, {"a.csv": STEPS}),
    "graph": (GRAPH, {"n.csv": NODES, "e.csv": EDGES}),
    "pictures": (IMAGES, PICTURES),
    "labelled pictures": (IMAGES.replace("path: p", "path: p, labels: l.csv"), {**PICTURES, "l.csv": LABELS}),
    "recordings": (SOUNDS, RECORDINGS),
}
LATIN = b"\xe9"
BAD: dict[str, tuple[str, Files, str]] = {
    "empty file: table": (TABLE, {"a.csv": ""}, "a.csv is empty; expected a row with the columns' names"),
    "empty file: texts": (TEXTS, {"a.csv": ""}, "a.csv is empty; expected a row with the columns' names"),
    "empty file: series": (SERIES, {"a.csv": ""}, "a.csv is empty; expected a row with the columns' names"),
    "empty file: nodes": (GRAPH, {"n.csv": "", "e.csv": EDGES}, "n.csv is empty; expected a row with"),
    "empty file: edges": (GRAPH, {"n.csv": NODES, "e.csv": ""}, "e.csv is empty; expected a row with"),
    "empty file: text": (TEXT, {"a.txt": ""}, "a.txt: the file is empty; expected text"),
    "empty file: words": (WORDS, {"a.txt": ""}, "a.txt: there are no sentences; expected a word a line"),
    "empty file: pairs": (PAIRS, {"a.en": "", "a.de": ""}, "a.de are empty; expected a text in each line"),
    "empty folder: pictures": (IMAGES, {"p/.keep": ""}, "p holds no pictures in folders, one for each class"),
    "empty file: labels": (GOOD["labelled pictures"][0], {**PICTURES, "l.csv": ""}, "l.csv is empty; expected"),
    "header only: table": (TABLE, {"a.csv": "x,y\n"}, "a.csv has a row of names, but no rows of values"),
    "header only: texts": (TEXTS, {"a.csv": "text,label\n"}, "a.csv has a row of names, but no rows of values"),
    "header only: series": (SERIES, {"a.csv": "id,x,y\n"}, "a.csv has a row of names, but no rows of values"),
    "header only: nodes": (GRAPH, {"n.csv": "id,x,label\n", "e.csv": EDGES}, "n.csv has a row of names, but no rows"),
    "text in a number column: table": (TABLE, {"a.csv": CLASSES + "high,a\n"}, "a.csv:42:1: x: 'high' is not a finite"),
    "text in a number column: series": (SERIES, {"a.csv": STEPS + "s3,high,b\n"}, "a.csv:62:2: x: 'high' is not a"),
    "text in a number column: nodes": (
        GRAPH,
        {"n.csv": NODES + "n77,high,a\n", "e.csv": EDGES},
        "n.csv:32:2: x: 'high' is not a finite number",
    ),
    "ragged rows: table": (TABLE, {"a.csv": CLASSES + "1\n"}, "a.csv:42: 1 value, but there are 2 columns"),
    "ragged rows: texts": (TEXTS, {"a.csv": REVIEWS + "a,b,c\n"}, "a.csv:22: 3 values, but there are 2 columns"),
    "ragged rows: series": (SERIES, {"a.csv": STEPS + "s3,1\n"}, "a.csv:62: 2 values, but there are 3 columns"),
    "ragged rows: edges": (GRAPH, {"n.csv": NODES, "e.csv": EDGES + "n1\n"}, "e.csv:32: 1 value, but there are 2"),
    "wrong encoding: table": (
        TABLE,
        {"a.csv": CLASSES.encode() + LATIN + b",a\n"},
        "a.csv:42: not UTF-8 text (byte 0xe9",
    ),
    "wrong encoding: texts": (TEXTS, {"a.csv": REVIEWS.encode() + LATIN + b",a\n"}, "a.csv:22: not UTF-8 text (byte"),
    "wrong encoding: series": (SERIES, {"a.csv": STEPS.encode() + LATIN + b",1,a\n"}, "a.csv:62: not UTF-8 text"),
    "wrong encoding: nodes": (
        GRAPH,
        {"n.csv": NODES.encode() + LATIN + b",1,a\n", "e.csv": EDGES},
        "n.csv:32: not UTF-8 text (byte 0xe9 at column 1); save the file as UTF-8",
    ),
    "wrong encoding: pairs": (PAIRS, {"a.en": "one\n" * 9, "a.de": b"eins\n" * 8 + LATIN}, "a.de:9: not UTF-8 text"),
    "wrong encoding: words": (WORDS, {"a.txt": b"dog N\ncat " + LATIN}, "a.txt:2: not UTF-8 text (byte 0xe9"),
    "wrong encoding: text": (TEXT, {"a.txt": b"abc\n" * 99 + LATIN}, "a.txt:100: not UTF-8 text (byte 0xe9"),
    "truncated image": (
        IMAGES,
        {**PICTURES, "p/a/3.png": picture(3)[:50]},
        "1 of 24 files are no whole pictures, more than the share of 0.01 that may be: ",
    ),
    "zero-byte WAV": (SOUNDS, {**RECORDINGS, "p/b/2.wav": b""}, "p/b/2.wav: not a whole recording: it ends too early"),
    "an edge to a node that is not there": (
        GRAPH,
        {"n.csv": NODES, "e.csv": EDGES + "n3,n99\n"},
        "e.csv:32: there is no node whose id is 'n99'",
    ),
    "parallel files of different length": (
        PAIRS,
        {"a.en": "one\ntwo\n", "a.de": "eins\n"},
        "a.de 1; line n of one is to be the translation of line n of the other",
    ),
    "a 1-class target: table": (TABLE, {"a.csv": CLASSES.replace(",b", ",a")}, "a.csv: y is 'a' in every row of the"),
    "a 1-class target: texts": (
        TEXTS,
        {"a.csv": REVIEWS.replace(",b", ",a")},
        "texts of the training set are of class 'a'",
    ),
    "a 1-class target: series": (SERIES, {"a.csv": STEPS.replace(",b", ",a")}, "a.csv: y is 'a' in every row of the"),
    "a 1-class target: nodes": (
        GRAPH,
        {"n.csv": NODES.replace(",b", ",a"), "e.csv": EDGES},
        "n.csv: label is 'a' in every row of the training set",
    ),
    "a 1-class target: pictures": (
        IMAGES,
        {name: content for name, content in PICTURES.items() if "/a/" in name},
        "p holds only the class 'a'; there is to be a folder for each of two classes or more",
    ),
    "a dev set with an unseen class: table": (
        TABLE.replace("a.csv", "a.csv, dev: d.csv"),
        {"a.csv": CLASSES, "d.csv": "x,y\n1,a\n2,c\n"},
        "d.csv:3: no row of the training set has the y 'c'; there is one of a, b",
    ),
    "a dev set with an unseen class: texts": (
        TEXTS.replace("a.csv", "a.csv, dev: d.csv"),
        {"a.csv": REVIEWS, "d.csv": "text,label\ngood,a\nso so,c\n"},
        "d.csv:3: the class 'c' is not in the training set, which has a, b",
    ),
    "a dev set with an unseen class: series": (
        SERIES.replace("a.csv", "a.csv, dev: d.csv"),
        {"a.csv": STEPS, "d.csv": "id,x,y\nq,1,a\nr,1,c\n"},
        "d.csv:3: no row of the training set has the y 'c'; there is one of a, b",
    ),
    "a dev set with an unseen class: nodes": (
        GRAPH.replace("edges", "part: part, edges"),
        {
            "n.csv": "id,x,label,part\n"
            + "".join(
                f"n{i},{i % 3},{'ab'[i % 2] if i < 29 else 'c'},{'train' if i < 20 else 'dev'}\n" for i in range(30)
            ),
            "e.csv": EDGES,
        },
        "n.csv:31: no row of the training set has the label 'c'; there is one of a, b",
    ),
    "a dev set with an unseen class: labels": (
        GOOD["labelled pictures"][0],
        {**PICTURES, "l.csv": LABELS + "a/1.png,c,dev\n"},
        "l.csv:26: the class 'c' of the dev part is not one of the training part's",
    ),
    "a dev set with an unseen class: pictures": (
        IMAGES,
        {**in_parts(PICTURES), "p/dev/c/1.png": picture(3)},
        "p/dev/c/1.png: the class 'c' of the dev part is not one of the training part's",
    ),
    "a dev set with an unseen class: recordings": (
        SOUNDS,
        {**in_parts(RECORDINGS), "p/dev/c/1.wav": recording(0.3)},
        "p/dev/c/1.wav: the class 'c' of the dev part is not one of the training part's",
    ),
    "a NaN target: table": (
        TABLE,
        {"a.csv": VALUES + "1,nan\n"},
        "a.csv:42:2: y: there is no value; leave the row out",
    ),
    "a NaN target: series": (
        SERIES,
        {"a.csv": STEPS + "s99,1,nan\n"},
        "a.csv:62:3: y: there is no value; leave the row",
    ),
    "a NaN target: texts": (TEXTS, {"a.csv": REVIEWS + "so so,nan\n"}, "a.csv:22: the label is missing (found 'nan')"),
}


@pytest.fixture
def fit(command: Command, tmp_path: Path) -> Callable[[str, Files], Any]:
    def call(config: str, files: Files) -> Any:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "my.yaml").write_text(config)
        return command("fit", "my.yaml", "trainer.length=1 steps", "trainer.preflight=false")

    return call


@pytest.mark.parametrize("case", GOOD)
def test_what_is_good_is_taken(fit: Callable[[str, Files], Any], case: str) -> None:
    fitted = fit(*GOOD[case])
    assert fitted.status == 0, fitted.err


@pytest.mark.parametrize("case", BAD)
def test_what_is_bad_is_named(fit: Callable[[str, Files], Any], case: str, tmp_path: Path) -> None:
    *given, said = BAD[case]
    refused = fit(*given)  # type: ignore[arg-type]
    assert refused.status == 2
    assert said in refused.err
    assert "Traceback" not in refused.err and "internal" not in refused.err
    assert not (tmp_path / "runs").exists()


def test_the_truncated_image_is_named(fit: Callable[[str, Files], Any]) -> None:
    config, files, _ = BAD["truncated image"]
    assert "p/a/3.png: " in fit(config, files).err


@pytest.mark.parametrize(("folder", "test"), [("MNIST", False), ("FashionMNIST", True)])
def test_a_label_out_of_range(
    fit: Callable[[str, Files], Any], command: Command, tmp_path: Path, folder: str, test: bool
) -> None:
    """Of files with labels as numbers: a digit that is none."""
    images = struct.pack(">iiii", 2051, 5, 28, 28) + bytes(5 * 784)
    labels = {"train": [3, 1, 4, 1, 5 if test else 11], "t10k": [3, 1, 4, 10 if test else 1, 5]}
    files: dict[str, str | bytes] = {}
    for part, found in labels.items():
        files[f"{folder}/raw/{part}-images-idx3-ubyte"] = images
        files[f"{folder}/raw/{part}-labels-idx1-ubyte"] = struct.pack(">ii", 2049, 5) + bytes(found)
    name = "fashion_mnist" if folder == "FashionMNIST" else "mnist"
    config = f"data: {{type: {name}, root: ., split: {{dev: 0.4}}}}\nmodel: linear\n"
    if not test:
        refused = fit(config, files)
        assert "MNIST/raw/train-labels-idx1-ubyte: label number 5 is 11, no class from 0 to 9" in refused.err
    else:
        fitted = fit(config, files)
        assert fitted.status == 0, fitted.err
        (run,) = (tmp_path / "runs").glob("*/*")
        refused = command("eval", run, "--split", "test")
        assert "FashionMNIST/raw/t10k-labels-idx1-ubyte: label number 4 is 10, no class from 0 to 9" in refused.err
    assert refused.status == 2


def test_the_ending_of_a_link_counts(fit: Callable[[str, Files], Any], tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").symlink_to("content")
    done = fit(TABLE.replace("a.csv", "a.csv.gz"), {"content": gzip.compress(CLASSES.encode())})
    assert done.status == 0, done.err
    assert f"{tmp_path / 'a.csv.gz'}: 40 rows" in done.err
