"""`precision: fp64`: weights, data and losses in float64."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Called
from nntrain.assemble import assemble
from nntrain.config import load as load_config
from nntrain.device import Device, at_least_single
from runs import instant_disk, last, only_run, records  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

CLASSES = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2, norm: batch}
task: {type: classification, label_smoothing: 0.1}
optimizer: {type: adamw, lr: 0.01}
regularizers: [{type: l2, weight: 1e-3}]
trainer: {length: 12 steps, evaluate: 4 steps, precision: fp64, accumulate: 2, clip: 1.0}
"""
VALUES = """
data: {type: diabetes, batch_size: 64}
model: linear
trainer: {length: 6 steps, evaluate: 2 steps, precision: fp64}
"""


@pytest.mark.parametrize("config", [CLASSES, VALUES])
def test_everything_is_in_float64(config: str, command: Command, write: Write) -> None:
    path = write(config)
    assert command("fit", path).status == 0
    run = only_run(path.parent / "runs")
    floating = {n: t.dtype for n, t in last(run).tensors.items() if n.startswith("model.") and t.is_floating_point()}
    assert set(floating.values()) == {torch.float64}
    losses = [record["dev"]["loss"] for record in records(run)]
    assert all(float(np.float32(loss)) != loss for loss in losses)
    measured = command("eval", run, "--json")
    assert measured.status == 0, measured.err


@pytest.mark.parametrize("config", [CLASSES, VALUES])
def test_data_is_in_float64(config: str, write: Write) -> None:
    document = load_config(write(config))
    document.data["name"] = "my"
    train = assemble(document).data.split("train")
    assert train.inputs.dtype == torch.float64
    assert train.targets.dtype == (torch.int64 if config is CLASSES else torch.float64)
    mean = train.inputs.mean(dim=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-14)


@pytest.mark.parametrize("data", ["shifted_digits", "digit_lines"])
def test_pictures_put_together_are_in_float64(data: str, write: Write) -> None:
    model = "{type: lstm, hidden: 4}" if data == "digit_lines" else "linear"
    document = load_config(write(f"name: my\ndata: {data}\nmodel: {model}\ntrainer: {{precision: fp64}}\n"))
    inputs = next(assemble(document).data.train.sample(4, 0).in_order()).inputs
    assert (inputs.values if data == "digit_lines" else inputs).dtype == torch.float64


def test_float32_is_back_in_the_next_run(command: Command, write: Write) -> None:
    path = write(CLASSES)
    command("check", path)
    assert command("check", path, "trainer.precision=fp32").status == 0
    assert torch.get_default_dtype() == torch.float32


def test_losses_are_taken_of_float32_at_least() -> None:
    types = {torch.bfloat16: torch.float32, torch.float32: torch.float32, torch.float64: torch.float64}
    for given, taken in types.items():
        assert at_least_single(torch.ones(1, dtype=given)).dtype == taken


def test_noise_can_be_drawn_again() -> None:
    device = Device("cpu")
    torch.rand(3)
    noise = device.noise()
    first = torch.rand(5), torch.randperm(7)
    device.repeat(noise)
    assert all(torch.equal(a, b) for a, b in zip(first, (torch.rand(5), torch.randperm(7)), strict=True))
