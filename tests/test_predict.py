"""The command that applies a trained model: answers and features, as JSON lines or CSV."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.config import load
from nntrain.measure import examples_of, trained
from runs import only_run

Command = Callable[..., Any]


@pytest.fixture
def run(command: Command, write: Callable[..., Path], tmp_path: Path) -> Path:
    write("data: iris\nmodel: {type: mlp, hidden: [6, 2]}\ntrainer: {length: 20 epochs}\n")
    assert command("fit", "my.yaml").status == 0
    return only_run(tmp_path / "runs")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_example_has_its_class_and_probability(command: Command, run: Path) -> None:
    rows = lines(command("predict", run, "--split", "test").out)
    _, parts = trained(run, [], False, print)
    (batch,) = examples_of(parts, "test").in_order()
    with torch.inference_mode():
        probabilities = parts.model.eval()(batch.inputs).softmax(dim=1)
    assert [row["example"] for row in rows] == list(range(len(batch.targets)))
    assert [row["class"] for row in rows] == [parts.data.targets.names[int(p.argmax())] for p in probabilities]
    assert [row["probability"] for row in rows] == pytest.approx(probabilities.amax(dim=1).tolist())


def test_the_share_of_right_answers_is_the_accuracy(command: Command, run: Path) -> None:
    rows = lines(command("predict", run).out)
    _, parts = trained(run, [], False, print)
    truth = [parts.data.targets.names[int(t)] for batch in examples_of(parts, "dev").in_order() for t in batch.targets]
    right = sum(row["class"] == name for row, name in zip(rows, truth, strict=True)) / len(truth)
    assert right == pytest.approx(command("eval", run, "--json").json["metrics"]["accuracy"])


def test_features_are_what_the_layer_puts_out(command: Command, run: Path, tmp_path: Path) -> None:
    said = command("predict", run, "--features", "layers.1", "--out", "features.csv")
    assert said.status == 0, said.err
    with (tmp_path / "features.csv").open() as file:
        rows = list(csv.DictReader(file))
    _, parts = trained(run, [], False, print)
    (batch,) = examples_of(parts, "dev").in_order()
    with torch.inference_mode():
        expected = parts.model.eval().body(batch.inputs)
    assert list(rows[0]) == ["split", "example", "features.0", "features.1"]
    found = torch.tensor([[float(row["features.0"]), float(row["features.1"])] for row in rows])
    torch.testing.assert_close(found, expected)


def test_values_are_in_the_datas_units(command: Command, write: Callable[..., Path], tmp_path: Path) -> None:
    write("data: diabetes\nmodel: linear\ntrainer: {length: 30 epochs}\n")
    command("fit", "my.yaml")
    rows = lines(command("predict", only_run(tmp_path / "runs")).out)
    values = [row["progression"] for row in rows]
    assert 100 < sum(values) / len(values) < 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--features", "layers.7"), "no layer is called 'layers.7'; did you mean 'body.layers.1'?"),
        (("--features", "linear"), "several layers are called 'linear': body.layers.0.linear, body.layers.1.linear"),
        (("--out", "nowhere/answers.csv"), "it cannot be written there: No such file or directory"),
        (("--out", "answers.txt"), "expected a file that ends in .csv or .jsonl"),
        (("--split", "all"), "'all' is not one of"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    command: Command, run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(tmp_path.iterdir())
    refused = command("predict", run, *arguments)
    assert refused.status == 2
    assert message in refused.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_there_is_not_overwritten(command: Command, run: Path, write: Callable[..., Path]) -> None:
    kept = write("mine", "answers.csv")
    refused = command("predict", run, "--out", "answers.csv")
    assert refused.status == 2
    assert "nothing is overwritten" in refused.err
    assert kept.read_text() == "mine"


def test_a_layer_without_a_row_for_each_example_is_refused(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(
        '''from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("shared")
class Shared(nn.Module):
    """Uses one layer twice."""

    features = 4

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.twice = nn.Linear(4, 4)

    def forward(self, x):
        return self.twice(self.twice(x))
''',
        "shared.py",
    )
    write("plugins: [shared.py]\ndata: iris\nmodel: shared\ntrainer: {length: 2 steps}\n")
    command("fit", "my.yaml")
    run = only_run(tmp_path / "runs")
    assert "--allow-plugins" in command("predict", run).err
    refused = command("predict", run, "--allow-plugins", "--features", "twice")
    assert refused.status == 2
    assert "does not put out one tensor with a row for each example" in refused.err


def test_the_config_of_the_run_is_the_one_that_is_applied(command: Command, run: Path) -> None:
    assert load(run / "config.yaml").data["model"]["hidden"] == [6, 2]
    assert len(lines(command("predict", run, "--split", "train").out)) == 106
