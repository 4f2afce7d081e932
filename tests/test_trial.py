"""What is passed through a network before its first step: of a large one few examples, but nothing is overlooked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Write = Callable[..., Path]

CONFIG = """\
data: {type: iris, batch_size: 16}
model: {type: mine, fewest: 1}
plugins: [mine.py]
trainer: {length: 1 steps, threads: 1}
"""

MODEL = """\
import json

from torch import Tensor, is_grad_enabled, nn

from nntrain.registry import model
from nntrain.settings import Count, Whole
from nntrain.specs import Vector


@model("mine")
class Mine(nn.Module):
    \"\"\"Writes down what it is passed; fails in training where that is less than so many examples.

    Settings:
        fewest: so many
        most: fails where it is more than so many
        routed: the example without which none reaches the second layer in training
    \"\"\"

    def __init__(self, inputs: Vector, *, fewest: Count, most: Count = 150, routed: Whole = 0) -> None:
        super().__init__()
        self.layer, self.other = nn.Linear(4, 8), nn.Linear(4, 8)
        self.features, self.fewest, self.most, self.routed = 8, fewest, most, routed

    def forward(self, x: Tensor) -> Tensor:
        with open("passes.jsonl", "a") as file:
            print(json.dumps([len(x), self.training, is_grad_enabled()]), file=file)
        if self.training and len(x) < self.fewest:
            raise RuntimeError(f"{len(x)} are too few")
        if self.training and len(x) > self.most:
            raise RuntimeError(f"{len(x)} are too many")
        is_reached = not self.training or self.routed < len(x)
        return self.layer(x) + self.other(x) if is_reached else self.layer(x)
"""


@pytest.fixture
def is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets every network count as one whose passes take long."""
    monkeypatch.setattr("nntrain.trial.QUICK", 1)


def passes(folder: Path) -> list[tuple[int, bool, bool]]:
    """The examples of each pass, and whether it was one of training and one with a gradient."""
    return [tuple(json.loads(line)) for line in (folder / "passes.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("is_large")
def test_of_a_large_network_few_examples_go_through_and_back_before_the_first_step(
    command: Command, write: Write, tmp_path: Path
) -> None:
    write(MODEL, "mine.py")
    write(CONFIG)
    assert command("fit", "my.yaml").status == 0
    in_training = [(examples, has_gradient) for examples, is_training, has_gradient in passes(tmp_path) if is_training]
    # Tried, looked at for gradients, and for the first loss; the step.
    assert in_training == [(2, False), (2, True), (16, False), (16, True)]


def test_of_a_small_network_all_examples_are_tried(command: Command, write: Write, tmp_path: Path) -> None:
    write(MODEL, "mine.py")
    write(CONFIG)
    assert command("fit", "my.yaml", "trainer.preflight=false").status == 0
    assert [examples for examples, is_training, _ in passes(tmp_path) if is_training] == [16, 16]


@pytest.mark.usefixtures("is_large")
@pytest.mark.parametrize(("fewest", "status"), [(16, 0), (17, 2)])
def test_what_fails_of_few_examples_is_tried_with_all(command: Command, write: Write, fewest: int, status: int) -> None:
    write(MODEL, "mine.py")
    write(CONFIG)
    called = command("fit", "my.yaml", f"model.fewest={fewest}")
    assert called.status == status
    assert "faults failed" not in called.err
    assert ("model: the first batch of 16 examples fails: 16 are too few" in called.err) == (status == 2)


@pytest.mark.usefixtures("is_large")
@pytest.mark.parametrize("name", ["fit", "check"])
def test_what_fails_of_all_examples_alone_is_refused_before_anything_is_written(
    command: Command, write: Write, tmp_path: Path, name: str
) -> None:
    write(MODEL, "mine.py")
    write(CONFIG)
    called = command(name, "my.yaml", "model.most=15")
    assert called.status == 2 and not (tmp_path / "runs").exists()
    assert "model: the first batch of 16 examples fails: 16 are too many" in called.err


@pytest.mark.usefixtures("is_large")
@pytest.mark.parametrize(("routed", "reached"), [(1, True), (9, True), (16, False)])
def test_a_parameter_that_only_some_examples_reach_is_reached(
    command: Command, write: Write, routed: int, reached: bool
) -> None:
    write(MODEL, "mine.py")
    write(CONFIG)
    called = command("check", "my.yaml", f"model.routed={routed}", "--json")
    assert called.status == 0
    said = [finding["seen"] for finding in called.json["findings"] if finding["rule"] == "gradients"]
    assert ["the loss does not depend on" in text and "other.weight" in text for text in said] == [True] * (not reached)
