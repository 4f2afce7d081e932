"""Captured steps: the same bits as plain ones, whatever is trained; and what happens where they cannot be."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.capture import Captured
from nntrain.device import Device
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

DEVICE = Device("cpu")


class Noisy(nn.Module):
    """Dropout and batch statistics: what draws numbers, and what changes buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def batch(n: int = 6) -> Batch:
    return Batch(torch.randn(n, 3, generator=torch.Generator().manual_seed(n)), torch.arange(n) % 2)


def network() -> Noisy:
    torch.manual_seed(0)
    return Noisy()


def gradient(model: nn.Module) -> Callable[[Sequence[Batch]], list[Tensor]]:
    def look(batches: Sequence[Batch]) -> list[Tensor]:
        loss = sum((F.cross_entropy(model(b.inputs), b.targets) for b in batches), start=torch.zeros(()))
        return [loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))]

    return look


def steps(
    model: nn.Module, call: Callable[[Sequence[Batch]], list[Tensor]], batches: list[list[Batch]]
) -> list[Tensor]:
    """What a few steps of gradient descent give, noise and all."""
    torch.manual_seed(1)
    found = []
    for each in batches:
        seen = call(each)
        found += seen
        with torch.no_grad():
            for p, g in zip(model.parameters(), seen[1:], strict=True):
                p -= 0.1 * g
    return [*found, *model.state_dict().values(), torch.rand(1)]


@pytest.mark.parametrize("sizes", [[6] * 12, [6, 6, 4, 6, 4, 4, 6, 4, 6]])
def test_noise_buffers_and_parameters_are_those_of_plain_steps(sizes: list[int]) -> None:
    plain, other = network(), network()
    captured = Captured(gradient(other), other, DEVICE, True)
    batches = [[batch(n), batch(5)] for n in sizes]
    one = steps(plain, gradient(plain), batches)
    two = steps(other, lambda b: captured(b, ("all",)), batches)
    assert captured.reason == "" and captured.captured_calls > 0
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_graphs_are_of_what_is_trained() -> None:
    model = network()
    trained = list(model.parameters())

    def look(batches: Sequence[Batch]) -> list[Tensor]:
        loss = F.cross_entropy(model(batches[0].inputs), batches[0].targets)
        return [*torch.autograd.grad(loss, trained)]

    captured = Captured(look, model, DEVICE, True)
    all_of_them = [captured([batch()], ("all",)) for _ in range(5)][-1]
    del trained[:2]
    fewer = [captured([batch()], ("fewer",)) for _ in range(5)][-1]
    assert len(fewer) == len(all_of_them) - 2 and captured.reason == ""


def test_a_step_that_looks_at_values_is_not_captured_and_loses_nothing() -> None:
    model, plain = network(), network()

    def look(network: nn.Module) -> Callable[[Sequence[Batch]], list[Tensor]]:
        ordinary = gradient(network)

        def found(batches: Sequence[Batch]) -> list[Tensor]:
            seen = ordinary(batches)
            return seen if float(seen[0]) > 0 else seen[:1]

        return found

    captured = Captured(look(model), model, DEVICE, True)
    one = steps(plain, look(plain), [[batch()]] * 4)
    two = steps(model, lambda b: captured(b, ()), [[batch()]] * 4)
    assert captured.reason and captured.captured_calls == 0
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_step_that_is_another_each_time_is_found_out() -> None:
    model = network()
    calls = [0]

    def look(batches: Sequence[Batch]) -> list[Tensor]:
        calls[0] += 1  # a number that Python counts: the graph would keep what it was
        return [batches[0].inputs.sum() * calls[0]]

    captured = Captured(look, model, DEVICE, True)
    for _ in range(4):
        captured([batch()], ())
    assert "same bits" in captured.reason and captured.captured_calls == 0


def test_short_runs_are_left_alone() -> None:
    model = network()
    captured = Captured(gradient(model), model, DEVICE, "auto")
    for _ in range(20):
        captured([batch()], ())
    assert captured.captured_calls == 0 and captured.reason == ""


def test_so_are_short_runs_of_a_config_that_says_nothing(write: Write, command: Command) -> None:
    config = write("data: iris\nmodel: {type: mlp, hidden: [4]}\ntrainer: {length: 20 steps}\n")
    assert "captured" not in command("fit", config, "--json").json


def test_rules_that_look_again_are_not_captured(write: Write, command: Command) -> None:
    config = write(
        "data: {type: xor, batch_size: all}\nmodel: {type: mlp, hidden: [4]}\n"
        "optimizer: lbfgs\ntrainer: {length: 8 steps, capture: true}\n"
    )
    found = command("fit", config, "--json").json["captured"]["model"]
    assert found["steps"] == 0 and found["reason"]
