"""The user's own recordings with a label for each moment: learned, measured and applied, by the command line."""

import json
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_audio_folder import RATE, record

from nntrain.batch import IGNORED
from nntrain.data import sound
from nntrain.data.audio_segments import AudioSegments
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
CONFIG = """
data: {type: audio_segments, path: tones, labels: labels.csv, batch_size: 4}
model: {type: gru, hidden: 8}
optimizer: {type: adam, lr: 0.02}
trainer: {length: 15 epochs, threads: 1}
"""
PITCH = {"low": 300, "high": 2000}


def two_tones(path: Path, first: str, change: float, seconds: float = 0.3) -> None:
    """One tone, and from a moment on the other."""
    other = "high" if first == "low" else "low"
    record(path, PITCH[first], change)
    before = path.read_bytes()[44:]
    record(path, PITCH[other], seconds - change)
    whole = before + path.read_bytes()[44:]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(whole)


@pytest.fixture
def rows(tmp_path: Path) -> list[str]:
    """Recordings of two tones, and where each is heard."""
    (tmp_path / "tones").mkdir()
    found = ["file,start,end,label"]
    for i in range(24):
        first, change = ("low", "high")[i % 2], 0.1 + 0.005 * i
        two_tones(tmp_path / "tones" / f"{i}.wav", first, change)
        second = "high" if first == "low" else "low"
        found += [f"{i}.wav,0,{change:.3f},{first}", f"{i}.wav,{change:.3f},0.3,{second}"]
    return found


def test_trained_measured_and_applied_after_the_recordings_are_gone(
    command: Command, write: Write, rows: list[str], tmp_path: Path
) -> None:
    write("\n".join(rows), "labels.csv")
    fitted = command("fit", write(CONFIG), "--json").json
    assert fitted["best"]["metrics"]["error_rate"] < 0.05
    assert command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]["accuracy"] > 0.9
    shutil.copy(fitted["best"]["checkpoint"], tmp_path / "model.safetensors")
    for gone in ("tones", "runs"):
        shutil.rmtree(tmp_path / gone)
    (tmp_path / "labels.csv").unlink()
    two_tones(tmp_path / "new" / "a.wav", "high", 0.15)
    (tmp_path / "new" / "b.wav").write_bytes(b"")
    said = command("predict", tmp_path / "model.safetensors", tmp_path / "new")
    assert said.status == 1
    assert "b.wav: not a whole recording" in said.err
    (row,) = [json.loads(line) for line in said.out.splitlines()]
    moments = sound.moments(len(row["tags"]), RATE, "log_mel")
    expected = ["high" if moment < 0.15 else "low" for moment in moments]
    assert np.mean([tag == right for tag, right in zip(row["tags"], expected, strict=True)]) > 0.9


@pytest.mark.parametrize(("rest", "between"), [(None, IGNORED), ("silence", 1)])
def test_frames_have_the_label_of_the_segment_that_their_middle_is_in(
    tmp_path: Path, rest: str | None, between: int
) -> None:
    record(tmp_path / "a.wav", 300, 0.2)
    (tmp_path / "labels.csv").write_text("file,start,end,label\na.wav,0.1,0.2,x\na.wav,0,0.05,a\n")
    found = AudioSegments(path=str(tmp_path), labels=str(tmp_path / "labels.csv"), rest=rest).read(None)
    names = ("a", "x") if rest is None else ("a", "silence", "x")
    assert found.targets.names == names  # type: ignore[union-attr]
    # Windows of 256 samples, 80 apart: their middles stand at 16 ms, 26 ms, 36 ms ...
    moments = [(128 + 80 * i) / RATE for i in range(17)]
    expected = [0 if m < 0.05 else names.index("x") if m >= 0.1 else between for m in moments]
    assert found.train.targets[0].tolist() == expected


def test_a_click_is_loudest_at_its_moment() -> None:
    samples = torch.zeros(RATE)
    samples[3000] = 1.0
    energies = sound.frames(sound.Recording(samples, RATE), "log_mel").sum(dim=1)
    moments = sound.moments(len(energies), RATE, "log_mel")
    assert float(moments[energies.argmax()]) == pytest.approx(3000 / RATE, abs=0.005)
    assert float(sound.moments(RATE, RATE, "wave")[3000]) == pytest.approx(3000 / RATE)


def test_parts_are_taken_as_the_table_says(command: Command, write: Write, rows: list[str]) -> None:
    parts = [f"{row},{'test' if row.startswith('1') else 'train'}" for row in rows[1:]]
    write("\n".join([rows[0] + ",part", *parts]), "labels.csv")
    facts = command("data", write(CONFIG), "--json").json["splits"]
    assert facts["test"]["examples"] == 11  # 1.wav, 10.wav to 19.wav


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("none.wav,0,1,low", "labels.csv:50: there is no file"),
        ("3.wav,zero,1,low", "labels.csv:50: start: 'zero' is not a number of seconds"),
        ("3.wav,0.2,0.2,low", "labels.csv:50: expected 0 <= start < end, found 0.2 and 0.2"),
        ("3.wav,0.29,0.3,low", "labels.csv:50: it begins before the one of row 9 ends"),
        ("3.wav,300,310,low", "labels.csv:50: it begins at 300 s, after "),
        ("3.wav,0.3,0.31,", "labels.csv:50: there is no label"),
        ("3.wav,0.3,0.31", "labels.csv:50: 3 values, but there are 4 columns"),
    ],
)
def test_what_is_wrong_is_named(command: Command, write: Write, rows: list[str], row: str, said: str) -> None:
    write("\n".join([*rows, row]), "labels.csv")
    refused = command("check", write(CONFIG))
    assert refused.status == 2
    assert said in refused.err
    assert "my.yaml:2:" in refused.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: [row.replace("high", "low") for row in rows], "labels.csv holds only the label 'low'"),
        (lambda rows: rows[:1], "labels.csv: expected a first row file,start,end,label (and part)"),
        (lambda rows: ["file,from,to,label", *rows[1:]], "labels.csv: expected a first row file,start,end,label"),
        (
            lambda rows: [f"{row},{'part' if i == 0 else 'train'}" for i, row in enumerate(rows)] + ["3.wav,1,2,x,dev"],
            "labels.csv:50: the part dev here, and train above",
        ),
        (
            lambda rows: [
                *(f"{row},{'part' if i == 0 else 'dev' if i > 46 else 'train'}" for i, row in enumerate(rows[:-1])),
                "23.wav,0.28,0.3,middle,dev",
            ],
            "labels.csv:49: the label 'middle' is not in the training set, which has high, low",
        ),
    ],
    ids=["one label", "no rows", "other columns", "two parts", "an unseen label"],
)
def test_tables_that_cannot_be_learned_from(
    command: Command, write: Write, rows: list[str], change: Callable[[list[str]], list[str]], said: str
) -> None:
    write("\n".join(change(rows)), "labels.csv")
    refused = command("check", write(CONFIG))
    assert refused.status == 2
    assert said in refused.err
