"""What a run may be trusted with: found by breaking it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.specs import Classes, Image
from runs import TINY, contents, instant_disk, summary_of  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
REGRESSION = "data: diabetes\nmodel: linear\ntrainer: {length: 5 epochs}\n"

MASKED = '''
import torch
from torch import nn

from nntrain.registry import data, model
from nntrain.specs import Classes, Vector
from nntrain.data.in_memory import Examples, InMemory, Source


@model("masked")
class Masked(nn.Module):
    """Has a buffer that is not finite, and a setting that is a pair."""

    def __init__(self, inputs: Vector, *, sizes: tuple[int, int] = (4, 5)) -> None:
        super().__init__()
        self.features = sizes[1]
        self.layer = nn.Linear(inputs.features, sizes[1])
        self.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))

    def forward(self, x):
        return self.layer(x)


@model("flat")
class Flat(nn.Module):
    """Gives one number for each example where a column is needed."""

    def __init__(self, inputs: Vector, outputs) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs.features, 1)

    def forward(self, x):
        return self.layer(x)[:, 0]


@data("drawn", within=InMemory)
def drawn() -> Source:
    """Drawn at random."""
    targets = torch.arange(60) % 2
    return Source("drawn", Vector(3), Classes(("a", "b")), Examples(torch.randn(60, 3), targets))
'''


def test_the_targets_mean_and_deviation_travel_in_the_checkpoint(command: Command, write: Write) -> None:
    run = command("fit", write(REGRESSION), "--json").json["run"]
    measured = [
        command("eval", run, "--split", "test", "--json", *more).json["metrics"]
        for more in ([], ["data.split.dev=0.84"])
    ]
    assert measured[0] == measured[1]


def test_a_finished_run_that_lost_its_checkpoint_is_left_alone(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    for name in ("last", "previous"):
        (run / "checkpoints" / f"{name}.safetensors").unlink()
    before = contents(run)
    assert command("fit", "--resume", run, "trainer.length=60 steps").status == 2
    assert contents(run) == before


@pytest.mark.parametrize("change", ["data.batch_size=8", "data.split.seed=1", "trainer.accumulate=2"])
def test_a_run_does_not_go_on_with_other_batches(command: Command, write: Write, change: str) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    before = contents(run)
    refused = command("fit", "--resume", run, "trainer.length=60 steps", change)
    assert (refused.status, "other examples or batches" in refused.err) == (2, True)
    assert contents(run) == before


def test_a_run_goes_on_with_examples_that_are_changed_otherwise_but_not_with_others(
    command: Command, write: Write
) -> None:
    config = write(
        "data: {type: spirals, noise: 0.1, batch_size: 32}\nmodel: {type: mlp, hidden: [4]}\n"
        "trainer: {length: 4 steps, preflight: false}\n"
    )
    run = Path(command("fit", config, "--json").json["run"])
    other = command("fit", "--resume", run, "trainer.length=8 steps", "data.noise=0.3")
    assert (other.status, "other examples or batches" in other.err) == (2, True)
    noisy = command("fit", "--resume", run, "trainer.length=8 steps", "data.augment=[noise]")
    assert noisy.status == 0, noisy.err


def test_a_run_outlives_whoever_read_its_messages(write: Write) -> None:
    config = write(TINY)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "nntrain", "fit", config], cwd=config.parent, stdout=subprocess.PIPE, stderr=writing
    )
    os.close(writing)
    assert done.returncode == 0
    (run,) = config.parent.glob("runs/my/*")
    assert summary_of(run)["status"] == "finished"


def test_a_pair_may_be_set_and_a_buffer_may_be_infinite(command: Command, write: Write) -> None:
    write(MASKED, "mine.py")
    config = write(
        "plugins: [mine.py]\ndata: iris\nmodel: {type: masked, sizes: [3, 7]}\ntrainer: {length: 2 epochs}\n"
    )
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    assert command("fit", Path(fitted.json["run"]) / "config.yaml").status == 0
    assert command("eval", fitted.json["run"], "--allow-plugins").status == 0


def test_random_data_are_the_same_in_fit_and_eval(command: Command, write: Write) -> None:
    write(MASKED, "mine.py")
    config = write("plugins: [mine.py]\ndata: drawn\nmodel: mlp\ntrainer: {length: 5 epochs}\n")
    fitted = command("fit", config, "--json").json
    measured = command("eval", fitted["run"], "--allow-plugins", "--json").json["metrics"]
    assert measured == fitted["best"]["metrics"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("data: {type: iris, batch_size: 1}\nmodel: {type: mlp, norm: batch}\n", "more than 1 value per channel"),
        ("plugins: [mine.py]\ndata: diabetes\nmodel: flat\n", "outputs are of shape (32,), but the targets"),
    ],
)
def test_what_fails_only_in_training_is_found_before(command: Command, write: Write, config: str, said: str) -> None:
    write(MASKED, "mine.py")
    refused = command("fit", write(config))
    assert refused.status == 2
    assert said in refused.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("value", [7, 100, 201, 255])
def test_a_constant_channel_is_standardised_to_zero(value: int) -> None:
    pixels = torch.randint(0, 256, (40, 2, 4, 4), dtype=torch.uint8)
    pixels[:, 1] = value
    examples = Examples(pixels, torch.arange(40) % 2)
    source = Source("made", Image(2, 4, 4), Classes(("a", "b")), examples, scale=1 / 255)
    data = InMemory(lambda: source, torch.device("cpu"), None)
    assert data.train.inputs[:, 1].abs().max() < 1e-6
