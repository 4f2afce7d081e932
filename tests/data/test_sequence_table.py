"""The user's own series in the long format, by the command line."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

CONFIG = """
data: {type: sequence_table, path: series.csv, id: patient, target: state, time: hour, batch_size: 8}
model: {type: gru, hidden: 12}
optimizer: {type: adam, lr: 0.02}
trainer: {length: 30 epochs, threads: 1}
"""


def rows_of(name: str, rising: bool, length: int, *, by_step: bool = False) -> list[str]:
    """A series that rises or falls; its rows are not in order."""
    slope = 1 if rising else -1
    state = ("down", "up")[rising]
    labels = [("odd", "even")[t % 2 == 0] if by_step else state for t in range(length)]
    rows = [f"{name},{t},{slope * t / 5 + math.sin(t):.4f},{t % 3},{labels[t]}" for t in range(length)]
    return rows[::2] + rows[1::2]


def table(count: int = 40, *, by_step: bool = False, first: str = "p") -> str:
    rows = [row for i in range(count) for row in rows_of(f"{first}{i}", i % 2 == 0, 5 + i % 6, by_step=by_step)]
    return "\n".join(["patient,hour,pulse,ward,state", *rows]) + "\n"


def test_trained_measured_and_applied_after_the_table_is_gone(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(table(), "series.csv")
    fitted = command("fit", write(CONFIG), "--json").json
    assert fitted["best"]["metrics"]["error_rate"] == 0
    assert command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]["accuracy"] == 1
    shutil.copy(fitted["best"]["checkpoint"], tmp_path / "model.safetensors")
    (tmp_path / "series.csv").unlink()
    lines = [row.rpartition(",")[0] for row in (*rows_of("new", True, 9), *rows_of("other", False, 6))]
    bad = ["a,0,high,1", "a,1,2,1", "b,noon,2,1", ",1,2,1"]
    write("\n".join(["patient,hour,pulse,ward", *bad[:2], *lines, *bad[2:]]) + "\n", "new.csv")
    write("patient,hour,ward\na,0,1\n", "bad.csv")
    said = command("predict", tmp_path / "model.safetensors", "new.csv", "bad.csv")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert said.status == 1
    assert said.err.splitlines() == [
        "new.csv:2:3: pulse: 'high' is not a finite number",
        "new.csv:19:2: hour: 'noon' is not a finite number",
        "new.csv:20: there is no patient",
        "bad.csv has no column pulse, which the training table has",
    ]
    assert [(row["id"], row["class"]) for row in found] == [("new", "up"), ("other", "down")]


def test_a_label_for_each_step(command: Command, write: Callable[..., Path]) -> None:
    write(table(by_step=True), "series.csv")
    config = write(CONFIG)
    refused = command("check", config)
    assert refused.status == 2
    assert "data.labels=step learns a label for each step" in refused.err
    fitted = command("fit", config, "data.labels=step", "--json")
    assert fitted.status == 0, fitted.err
    facts = command("data", config, "data.labels=step", "--json").json
    assert facts["targets"] == "2 tags, up to 10 in a row"
    assert facts["splits"]["train"]["lengths"] == {"least": 5, "median": 7, "greatest": 10}


def test_the_order_of_rows_is_that_of_time(command: Command, write: Callable[..., Path]) -> None:
    head, *rows = table().splitlines()
    by_hand = sorted(rows, key=lambda row: (int(row.split(",")[0][1:]), int(row.split(",")[1])))
    losses = []
    for text in (rows, by_hand):
        write("\n".join([head, *text]), "series.csv")
        losses.append(command("fit", write(CONFIG), "trainer.length=1 epochs", "--json").json["train"]["loss"])
    assert losses[0] == losses[1]


def test_numbers_as_targets(command: Command, write: Callable[..., Path]) -> None:
    rows = [f"s{i},{t},{i / 7 + t},{i / 10 + 0.05}" for i in range(40) for t in range(4)]
    write("\n".join(["patient,hour,pulse,state", *rows]), "series.csv")
    facts = command("data", write(CONFIG), "--json").json
    assert facts["targets"] == "one value"


def test_files_of_the_parts(command: Command, write: Callable[..., Path]) -> None:
    write(table(20), "series.csv")
    write(table(8, first="d"), "dev.csv")
    write(table(6, first="t").replace(",up", ",sideways"), "test.csv")
    config = write(CONFIG)
    splits = command("data", config, "data.dev=dev.csv", "--json").json["splits"]
    assert splits["dev"]["examples"] == 8
    refused = command("data", config, "data.test=test.csv")
    assert refused.status == 2
    assert "test.csv:2: no row of the training set has the state 'sideways'" in refused.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "series.csv is empty"),
        (lambda text: text.splitlines()[0], "but no rows of values"),
        (lambda text: text.replace("p3,1,", "p3,,"), "series.csv"),
        (lambda text: text.replace("p3,1,", ",1,"), "there is no patient"),
        (lambda text: text.replace("p3,1,", "p3,1,7,"), "6 values, but there are 5 columns"),
        (lambda text: text.replace("patient", "person"), "has no column 'patient'"),
        (lambda text: text.replace(",up", ",down"), "is 'down' in every row"),
        (lambda text: text.replace("p0,0,0.", "p0,0,nought"), "series.csv:2:3: pulse"),
    ],
    ids=["empty", "header", "no time", "no id", "ragged", "no column", "one class", "text"],
)
def test_what_is_wrong_is_named(
    command: Command, write: Callable[..., Path], change: Callable[[str], str], said: str
) -> None:
    write(change(table()), "series.csv")
    refused = command("check", write(CONFIG))
    assert refused.status == 2
    assert said in refused.err
    assert "my.yaml:2:" in refused.err
