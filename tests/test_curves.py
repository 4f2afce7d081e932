"""The three curves: what they are measured on, what they mean, and that measuring changes nothing."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from conftest import Called
from nntrain import curves
from nntrain.assemble import assemble
from nntrain.checkpoint import load
from nntrain.config import load as load_config
from nntrain.parts import Parts
from runs import TINY, bits, instant_disk, last, records, same_curves, scalars  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

FULL = """
data: {type: iris, batch_size: all}
model: {type: mlp, hidden: [8], activation: tanh}
optimizer: {type: sgd, lr: 0.3, momentum: 0.9}
regularizers: [{type: l2, weight: 0.02}, {type: l1, weight: 0.003, match: head}]
trainer: {length: 6 steps, evaluate: 1 step, save: 1 step}
"""

METERS = '''
import torch

from nntrain.registry import metric
from nntrain.specs import Classes


class Sum:
    """A metric that is a sum over examples."""

    better = "higher"

    def __init__(self, targets: Classes) -> None:
        pass

    def value(self, state):
        return float(state)


@metric("examples")
class Examples(Sum):
    """How many examples are measured."""

    def measure(self, predictions, targets):
        return torch.tensor(len(targets))


@metric("mixture")
class Mixture(Sum):
    """The sum of the squares of their classes' numbers, each times its place: which examples, in which order."""

    def measure(self, predictions, targets):
        return (targets.double().square() * torch.arange(1, len(targets) + 1)).sum()


@metric("never")
class Never(Sum):
    """Not a number."""

    def measure(self, predictions, targets):
        return torch.tensor(float("nan"))


@metric("endless")
class Endless(Sum):
    """Not finite."""

    def measure(self, predictions, targets):
        return torch.tensor(float("-inf"))
'''

MANY = '''
import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.specs import Classes, Vector


@data("many", within=InMemory)
def many() -> Source:
    """60,000 points, one in three of the second class."""
    inputs = torch.randn(60_000, 2, generator=torch.Generator().manual_seed(0))
    return Source("many", Vector(2), Classes(("a", "b")), Examples(inputs, torch.arange(60_000) % 3 % 2))
'''


def parts_of(path: Path) -> Parts:
    document = load_config(path)
    document.data.setdefault("name", "my")
    return assemble(document)


def trained(command: Command, *arguments: object) -> Path:
    called = command("fit", *arguments, "--json")
    assert called.status == 0, called.err
    return Path(called.json["run"])


def numbers(run: Path, part: str, name: str) -> list[Any]:
    return [record[part][name] for record in records(run)]


def steps(points: list[tuple[int, float]]) -> list[int]:
    return [step for step, _ in points]


# --- What is drawn, and where.


def test_both_parts_have_the_same_tags_and_train_those_of_training(command: Command, write: Write) -> None:
    run = trained(command, write(TINY))
    train, dev = set(scalars(run, "train")), set(scalars(run, "dev"))
    metrics = {f"{prefix}{name}" for prefix in ("", "by_epoch/") for name in ("loss", "error_rate", "accuracy")}
    logged = ("objective", "lr", "grad_norm", "data_wait")
    assert dev == metrics
    assert train == metrics | {f"{p}{name}" for p in ("", "by_epoch/") for name in logged}


def test_regression_has_its_own_metrics(command: Command, write: Write) -> None:
    run = trained(command, write("data: diabetes\nmodel: linear\ntrainer: {length: 2 epochs, evaluate: 1 epoch}"))
    assert {tag for tag in scalars(run, "dev") if "/" not in tag} == {"loss", "rmse", "mae", "r2"}
    assert {tag for tag in scalars(run, "dev") if "/" not in tag} < set(scalars(run, "train"))


def test_every_curve_has_its_points_at_the_steps_of_the_config(command: Command, write: Write) -> None:
    run = trained(command, write(TINY), "trainer.length=32 steps")
    train, dev = scalars(run, "train"), scalars(run, "dev")
    evaluated = [5, 10, 15, 20, 25, 30, 32]
    assert [record["step"] for record in records(run)] == evaluated
    for name in ("loss", "error_rate", "accuracy"):
        assert steps(train[name]) == steps(dev[name]) == evaluated
    for name in ("objective", "lr", "grad_norm"):
        assert steps(train[name]) == sorted({*evaluated, *range(3, 32, 3)})


def test_the_points_are_those_of_metrics_jsonl(command: Command, write: Write) -> None:
    run = trained(command, write(TINY))
    for part in ("train", "dev"):
        for name in ("loss", "error_rate", "accuracy"):
            assert scalars(run, part)[name] == [(r["step"], float(np.float32(r[part][name]))) for r in records(run)]


def test_a_point_is_drawn_against_an_epoch_when_it_is_full(command: Command, write: Write) -> None:
    run = trained(command, write(TINY), "trainer.length=40 steps")  # an epoch has 7 steps
    loss = dict(scalars(run, "dev")["loss"])
    assert scalars(run, "dev")["by_epoch/loss"] == [
        (1, loss[10]),
        (2, loss[15]),
        (3, loss[25]),
        (4, loss[30]),
        (5, loss[35]),
    ]
    assert [record["epoch"] for record in records(run)] == [step / 7 for step in range(5, 41, 5)]


def test_the_examples_that_were_seen_are_counted(command: Command, write: Write) -> None:
    run = trained(command, write(TINY), "trainer.evaluate=1 epoch")
    assert [(r["step"], r["examples"]) for r in records(run)] == [(7, 106), (14, 212), (21, 318), (28, 424), (30, 456)]


# --- What the numbers mean.


def objective_and_norm(parts: Parts) -> tuple[float, float]:
    """Loss plus penalties over the whole training set, and the norm of its gradient, in double precision."""
    train = parts.data.split("train")
    model = parts.model.double()
    inputs, targets = train.inputs.double(), train.targets
    objective = F.cross_entropy(model(inputs), targets)
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            objective = objective + 0.02 / 2 * parameter.square().sum()
        if name.startswith("head"):
            objective = objective + 0.003 * parameter.abs().sum()
    gradients = torch.autograd.grad(objective, list(model.parameters()))
    return objective.item(), torch.cat([g.flatten() for g in gradients]).norm().item()


def test_the_objective_is_the_loss_plus_penalties_before_the_step(command: Command, write: Write) -> None:
    config = write(FULL)
    run = trained(command, config)
    for step in (1, 3, 6):
        parts = parts_of(config)
        if step > 1:
            shorter = trained(command, config, f"trainer.length={step - 1} steps")
            parts.model.load_state_dict(last(shorter).part("model"))
        objective, norm = objective_and_norm(parts)
        assert records(run)[step - 1]["train"]["objective"] == pytest.approx(objective, rel=1e-5)
        assert records(run)[step - 1]["train"]["grad_norm"] == pytest.approx(norm, rel=1e-5)


def test_the_objective_is_that_of_all_batches_of_an_update(command: Command, write: Write) -> None:
    config = write(FULL)
    whole = trained(command, config)
    pieces = trained(command, config, "data.batch_size=25", "trainer.accumulate=5")  # 25, 25, 25, 31
    for name in ("objective", "grad_norm"):
        assert numbers(pieces, "train", name) == pytest.approx(numbers(whole, "train", name), rel=1e-4)


def test_between_two_points_the_objective_and_the_norm_are_means(command: Command, write: Write) -> None:
    config = write(TINY)
    every = scalars(trained(command, config, "trainer.log=1 step"), "train")
    third = scalars(trained(command, config), "train")
    for name in ("objective", "grad_norm"):
        values, since = dict(every[name]), 0
        for step, value in third[name]:
            assert value == pytest.approx(np.mean([values[s] for s in range(since + 1, step + 1)]), rel=1e-5)
            since = step


def test_the_norm_is_that_before_clipping(command: Command, write: Write) -> None:
    config = write(FULL)
    clipped = trained(command, config, "trainer.clip=0.01")
    assert (
        records(clipped)[0]["train"]["grad_norm"] == records(trained(command, config))[0]["train"]["grad_norm"] > 0.01
    )


@pytest.mark.parametrize(
    ("scheduler", "rates"),
    [
        ("constant", [0.2] * 8),
        ("{type: linear, final: 0.2}", [0.2 * (1 - 0.8 * step / 8) for step in range(8)]),
        ("{type: cosine}", [0.1 * (1 + np.cos(np.pi * step / 8)) for step in range(8)]),
        ("{type: constant, warmup: 50%}", [0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.2, 0.2]),
        ("{type: step, every: 3 steps, factor: 0.5}", [0.2] * 3 + [0.1] * 3 + [0.05] * 2),
    ],
)
def test_the_rate_is_the_one_that_the_step_took(
    scheduler: str, rates: list[float], command: Command, write: Write
) -> None:
    config = write(TINY + f"scheduler: {scheduler}\n")
    run = trained(
        command, config, "optimizer.lr=0.2", "trainer.length=8 steps", "trainer.evaluate=2 steps", "trainer.log=1 step"
    )
    assert scalars(run, "train")["lr"] == [(step + 1, pytest.approx(rate)) for step, rate in enumerate(rates)]
    assert numbers(run, "train", "lr") == pytest.approx(rates[1::2])


def test_the_curves_are_measured_without_dropout_on_the_weights_after_the_step(command: Command, write: Write) -> None:
    config = write(TINY)
    run = trained(command, config)
    parts = parts_of(config)
    parts.model.load_state_dict(last(run).part("model"))
    dev = parts.data.split("dev")
    with torch.inference_mode():
        logits = parts.model.eval()(dev.inputs)
    measured = records(run)[-1]["dev"]
    assert measured["loss"] == pytest.approx(F.cross_entropy(logits, dev.targets).item(), rel=1e-6)
    assert measured["error_rate"] == (logits.argmax(dim=1) != dev.targets).double().mean().item()


# --- What they are measured on.


def test_the_sample_of_the_training_set_is_as_large_as_the_dev_set_and_stays_the_same(
    command: Command, write: Write
) -> None:
    write(METERS, "meters.py")
    config = write(f"plugins: [meters.py]\nmetrics: [examples, mixture]\n{TINY}")
    one, two = (trained(command, config, f"seed={seed}") for seed in (1, 2))
    for run in (one, two):
        assert numbers(run, "train", "examples") == numbers(run, "dev", "examples") == [22] * 6
        assert len(set(numbers(run, "train", "mixture"))) == 1
    assert numbers(one, "train", "mixture") == numbers(two, "train", "mixture")
    assert numbers(one, "train", "mixture") != numbers(one, "dev", "mixture")


@pytest.mark.parametrize(("dev", "sizes"), [("0.4", {10_000}), ("0", {10_000}), ("0.1", {6_000})])
def test_the_sample_has_at_most_ten_thousand_examples(
    dev: str, sizes: set[int], command: Command, write: Write
) -> None:
    write(METERS, "meters.py")
    write(MANY, "many.py")
    config = write("plugins: [meters.py, many.py]\nmetrics: [examples]\ndata: many\nmodel: linear\n")
    run = trained(command, config, f"data.split.dev={dev}", "trainer.length=4 steps", "trainer.evaluate=2 steps")
    assert set(numbers(run, "train", "examples")) == sizes
    assert [r["dev"] and r["dev"]["examples"] for r in records(run)] == [60_000 * float(dev) or None] * 2


def test_without_a_dev_set_there_is_no_best(command: Command, write: Write) -> None:
    called = command("fit", write(TINY), "data.split.dev=0", "--json")
    run = Path(called.json["run"])
    assert called.json["best"] is None
    assert called.json["dev"] == {}
    assert {record["dev"] for record in records(run)} == {None}
    assert not (run / "checkpoints" / "best.safetensors").exists()
    assert command("eval", run, "--split", "test").status == 0


# --- What is not a number.


def test_metrics_that_are_not_numbers_are_null(command: Command, write: Write) -> None:
    write(METERS, "meters.py")
    called = command("fit", write(f"plugins: [meters.py]\nmetrics: [never, endless]\n{TINY}"), "--json")
    assert called.status == 0
    run = Path(called.json["run"])
    for part in ("train", "dev"):
        assert numbers(run, part, "never") == numbers(run, part, "endless") == [None] * 6
        assert called.json[part]["never"] is called.json[part]["endless"] is None
    for file in ("metrics.jsonl", "summary.json"):
        assert "NaN" not in (run / file).read_text()
        assert "Infinity" not in (run / file).read_text()


def test_a_metric_that_never_is_a_number_makes_no_best(command: Command, write: Write) -> None:
    write(METERS, "meters.py")
    config = write(f"plugins: [meters.py]\nmetrics: [never]\n{TINY}")
    called = command("fit", config, "trainer.monitor=dev/never", "--json")
    assert (called.status, called.json["best"]) == (0, None)


# --- How often; and that it changes nothing.


@pytest.mark.parametrize("model", ["{type: mlp, hidden: [8], dropout: 0.3}", "{type: mlp, hidden: [8], norm: batch}"])
def test_how_often_is_measured_and_logged_changes_nothing_in_training(
    model: str, command: Command, write: Write
) -> None:
    config = write(TINY.replace("{type: mlp, hidden: [8], dropout: 0.2}", model))
    once = trained(command, config, "trainer.evaluate=100%", "trainer.log=100%")
    often = trained(command, config, "trainer.evaluate=1 step", "trainer.log=1 step")
    assert len(records(once)) == 1
    assert len(records(often)) == 30
    assert bits(last(once), "model", "optimizer") == bits(last(often), "model", "optimizer")
    assert records(once)[-1]["dev"] == records(often)[-1]["dev"]


def test_automatic_evaluation_is_the_same_however_fast_the_machine_is(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(curves.SECONDS_PER_STEP, "cpu", 0.05)  # so that an epoch of 7 steps is thought to take 0.35 s
    config, clock, begin = write(TINY), time.monotonic, time.monotonic()
    quick = trained(command, config, "trainer.evaluate=auto", "trainer.length=100 steps")
    monkeypatch.setattr(time, "monotonic", lambda: begin + 1000 * (clock() - begin))
    slow = trained(command, config, "trainer.evaluate=auto", "trainer.length=100 steps")
    assert [record["step"] for record in records(quick)] == [35, 70, 100]
    same_curves(quick, slow)


def test_long_epochs_are_each_evaluated(command: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(curves.SECONDS_PER_STEP, "cpu", 1.0)
    run = trained(command, write(TINY), "trainer.evaluate=auto")
    assert [record["step"] for record in records(run)] == [7, 14, 21, 28, 30]


def test_records_are_whole_lines_of_json_with_the_same_fields(command: Command, write: Write) -> None:
    run = trained(command, write(TINY))
    lines = (run / "metrics.jsonl").read_text().split("\n")
    assert lines.pop() == ""
    fields = {"step", "epoch", "examples", "seconds", "train", "dev"}
    assert all(set(json.loads(line)) == fields for line in lines)
    seconds = [record["seconds"] for record in records(run)]
    assert seconds == sorted(seconds)


def test_the_curves_of_the_best_model_are_measured_on_the_saved_one(command: Command, write: Write) -> None:
    run = trained(command, write(TINY), "trainer.monitor=dev/loss")
    step = load(run / "checkpoints" / "best.safetensors").facts["position"]["step"]
    values = {record["step"]: record["dev"]["loss"] for record in records(run)}
    assert values[step] == min(values.values())
    assert command("eval", run, "--json").json["metrics"]["loss"] == pytest.approx(values[step], rel=1e-6)
