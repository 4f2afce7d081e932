"""Rows of numbers for models of vectors that were trained on built-in sets."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_wine

from runs import instant_disk, only_run  # noqa: F401

Command = Callable[..., Any]


@pytest.fixture
def run(command: Command, write: Callable[..., Path], tmp_path: Path) -> Path:
    write("data: {type: wine, standardize: {type: whitening, components: 5}}\nmodel: linear\n")
    assert command("fit", "my.yaml", "optimizer.lr=0.05").status == 0
    return only_run(tmp_path / "runs")


def text(rows: int, separator: str = ",", decimal: str = ".") -> str:
    lines = [separator.join(f"{v:.6g}" for v in row) for row in load_wine().data[:rows]]
    return "\n".join(line.replace(".", decimal) for line in lines) + "\n"


def answers(called: Any) -> list[tuple[int, str]]:
    return [(row["row"], row["class"]) for row in map(json.loads, called.out.splitlines())]


def test_rows_are_answered_with_and_without_names(command: Command, run: Path, write: Callable[..., Path]) -> None:
    write(text(178), "plain.csv")
    write(",".join(load_wine().feature_names) + "\n" + text(178), "named.csv")
    plain, named = (answers(command("predict", run, f"{name}.csv")) for name in ("plain", "named"))
    assert [row for row, _ in plain] == list(range(1, 179))
    assert [(row + 1, answer) for row, answer in plain] == named
    truth = load_wine().target_names[load_wine().target].tolist()
    assert sum(answer == right for (_, answer), right in zip(plain, truth, strict=True)) > 160
    write(text(178, ";", ","), "german.csv")
    assert answers(command("predict", run, "german.csv")) == plain


def test_standard_input(command: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text(2).encode())))
    assert [row for row, _ in answers(command("predict", run, "-"))] == [1, 2]


def test_rows_that_cannot_be_read_fail_one_by_one(command: Command, run: Path, write: Callable[..., Path]) -> None:
    first, second = text(2).splitlines()
    bad = [first, first + ",1", first.replace("14.23", "dry"), "", first.replace("14.23", "nan"), second]
    write("\n".join(bad), "bad.csv")
    called = command("predict", run, "bad.csv", "gone.csv")
    assert called.status == 1
    assert [row for row, _ in answers(called)] == [1, 6]
    assert called.err.splitlines() == [
        "bad.csv:2: expected 13 numbers, found 14 values",
        "bad.csv:3:1: 'dry' is not a finite number",
        "bad.csv:5:1: 'nan' is not a finite number",
        "there is no file gone.csv",
    ]
