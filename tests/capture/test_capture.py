"""Captured steps: the same bits as plain ones, whatever is trained; and what happens where they cannot be."""

import random
import signal
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
from runs import at_step, instant_disk, last, only_run  # noqa: F401

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


def test_a_step_that_diverges_is_captured_as_it_is() -> None:
    model = network()
    captured = Captured(gradient(model), model, DEVICE, True)
    diverged = Batch(torch.full((6, 3), torch.nan), torch.arange(6) % 2)
    found = [captured([diverged], ()) for _ in range(5)]
    assert found[-1][0].isnan() and captured.reason == "" and captured.captured_calls > 0


class Changing(nn.Module):
    """A weight that `habit` does something with in every pass forward."""

    def __init__(self, habit: Callable[["Changing", Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.zeros(3))
        self.of_its_own = torch.zeros(3)
        self.calls = 0
        self.habit = habit

    def forward(self, x: Tensor) -> Tensor:
        return self.habit(self, x) * self.weight


def draws(model: Changing, x: Tensor) -> Tensor:
    return x * random.random()


def counts(model: Changing, x: Tensor) -> Tensor:
    model.calls += 1
    return x if model.calls < 9 else 2 * x


def replaces_a_buffer(model: Changing, x: Tensor) -> Tensor:
    model.mean = 0.9 * model.mean + 0.1 * x.mean(dim=0)
    return x + model.mean


def changes_a_parameter(model: Changing, x: Tensor) -> Tensor:
    with torch.no_grad():
        model.weight.mul_(0.9)
    return x


def changes_what_is_no_buffer(model: Changing, x: Tensor) -> Tensor:
    model.of_its_own.add_(x.mean(dim=0))
    return x * model.of_its_own


def looks_with_tolist(model: Changing, x: Tensor) -> Tensor:
    return x if x.sum().tolist() < 50 else 2 * x


def looks_with_numpy(model: Changing, x: Tensor) -> Tensor:
    return x if x.numpy().sum() < 50 else 2 * x


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        (draws, "Python's generator"),
        (counts, "a number of Python's"),
        (replaces_a_buffer, "same bits"),
        (changes_a_parameter, "no buffer"),
        (changes_what_is_no_buffer, "no buffer"),
        (looks_with_tolist, "value of a tensor"),
        (looks_with_numpy, "value of a tensor"),
    ],
)
def test_what_a_graph_would_get_wrong_is_left_plain_and_changes_nothing(
    habit: Callable[[Changing, Tensor], Tensor], reason: str
) -> None:
    batches = [Batch(torch.full((2, 3), float(i)), torch.zeros(2)) for i in range(1, 13)]

    def run(wanted: bool) -> tuple[list[Tensor], str]:
        random.seed(0)
        model = Changing(habit)

        def look(batches: Sequence[Batch]) -> list[Tensor]:
            loss = model(batches[0].inputs).square().mean()
            return [loss.detach(), *torch.autograd.grad(loss, [model.weight])]

        captured = Captured(look, model, DEVICE, wanted)
        found = steps(model, lambda b: captured(b, ()), [[batch] for batch in batches])
        assert captured.captured_calls == 0
        return [*found, torch.tensor(random.random())], captured.reason

    (one, _), (two, why) = run(False), run(True)
    assert reason in why
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_what_one_player_of_a_game_trains_is_another_graph_for_both(write: Write, command: Command) -> None:
    config = write("""
data: {type: digits, batch_size: 32, standardize: false}
model: {type: gan, noise: 4, networks: {type: dcgan, channels: [2, 2]}}
task: gan
optimizer:
  discriminator: {type: sgd, lr: 0.01}
  generator: {type: sgd, lr: 0.01, groups: [{match: "generator.[25]", frozen: 10 steps}]}
trainer: {length: 20 steps, evaluate: 20 steps, preflight: false}
""")
    command("fit", config, "trainer.capture=false", "--out", "plain")
    found = command("fit", config, "trainer.capture=true", "--out", "captured", "--json").json["captured"]
    assert all(player["reason"] is None and player["steps"] == 14 for player in found.values())
    one, two = (last(only_run(Path(out))).tensors for out in ("plain", "captured"))
    assert all(torch.equal(one[name], two[name]) for name in one if name != "random.gauss")  # which is NaN


def test_short_runs_are_left_alone() -> None:
    model = network()
    captured = Captured(gradient(model), model, DEVICE, "auto")
    for _ in range(20):
        captured([batch()], ())
    assert captured.captured_calls == 0 and captured.reason == ""


def test_so_are_short_runs_of_a_config_that_says_nothing(write: Write, command: Command) -> None:
    config = write("data: iris\nmodel: {type: mlp, hidden: [4]}\ntrainer: {length: 20 steps}\n")
    assert "captured" not in command("fit", config, "--json").json


STAGED = """
data: {type: iris, batch_size: all}
model: {type: mlp, hidden: [4]}
trainer: {length: 20 steps, save: 5 steps, capture: true}
stages: [{}, {optimizer: {lr: 0.01}}, {trainer: {capture: false}}]
"""


def test_the_captured_steps_of_all_stages_count(write: Write, command: Command) -> None:
    found = command("fit", write(STAGED), "--json").json
    assert found["steps"] == 60
    assert found["captured"]["model"] == {"steps": 40 - 2 * 3, "reason": None}  # three of each are done both ways


def test_a_resumed_run_counts_those_that_were_captured_before(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        at_step(patched, 32, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", write(STAGED), "stages=[{}, {trainer: {length: 40 steps}}]", "--json").json
    assert 50 < stopped["steps"] < 60
    assert stopped["captured"]["model"] == {"steps": stopped["steps"] - 2 * 3, "reason": None}
    resumed = command("fit", "--resume", stopped["run"], "--json").json
    assert resumed["captured"]["model"] == {"steps": 60 - 3 * 3, "reason": None}


def test_rules_that_look_again_are_not_captured(write: Write, command: Command) -> None:
    config = write(
        "data: {type: xor, batch_size: all}\nmodel: {type: mlp, hidden: [4]}\n"
        "optimizer: lbfgs\ntrainer: {length: 8 steps, capture: true}\n"
    )
    found = command("fit", config, "--json").json["captured"]["model"]
    assert found["steps"] == 0 and found["reason"]
