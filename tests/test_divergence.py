"""Loss or gradient that is not finite: found before the weights are touched, explained, and what may be done then."""

import json
import math
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from made import component, made
from torch import Tensor, nn

from conftest import Called
from nntrain.batch import Batch
from nntrain.device import Device
from nntrain.loss import Loss, Objective, Term
from nntrain.optimizers import Optimizer
from nntrain.registry import Registry
from nntrain.update import Update
from runs import at_step, best, bits, instant_disk, last, only_run, records, same_curves, scalars  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

# Some examples have inputs that are nan: those whose number the file `broken` names.
BROKEN = '''
from pathlib import Path

import torch
from torch import nn

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data, model
from nntrain.specs import Classes, Vector


@data("broken", within=InMemory)
def broken() -> Source:
    """Three clouds of points."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(120) % 3
    inputs = torch.randn(120, 4, generator=generator) + 2 * targets[:, None]
    for number in Path("broken").read_text().split():
        inputs[int(number), 1] = float("nan")
    parts = [Examples(inputs[i], targets[i]) for i in (slice(0, 90), slice(90, 120))]
    return Source("broken", Vector(4), Classes(("a", "b", "c")), parts[0], dev=lambda: parts[1], test=lambda: parts[1])


@model("rooted")
class Rooted(nn.Module):
    """A layer whose output is nan where its input is negative."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = 5
        self.first = nn.Linear(inputs.features, 5)
        self.root = Root()

    def forward(self, x):
        return self.root(self.first(x))


class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()


@model("cornered")
class Cornered(nn.Module):
    """Its outputs are finite, and their derivative at 0 is not."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.features
        self.weight = nn.Parameter(torch.zeros(inputs.features))
        self.scale = Scale()

    def forward(self, x):
        return x + self.scale(self.weight)


class Scale(nn.Module):
    def forward(self, w):
        return w.abs().sqrt()
'''

CONFIG = """
plugins: [mine.py]
data: {type: broken, batch_size: 16, standardize: false}
model: {type: mlp, hidden: [8], norm: batch, dropout: 0.2}
optimizer: {type: adam, lr: 0.01}
trainer: {length: 24 steps, evaluate: 4 steps, save: 3 steps, log: 2 steps, average: ema, preflight: false}
"""

# The weights grow by a factor of thousands a step at this rate.
DIVERGING = """
data: {type: diabetes, batch_size: all}
model: linear
optimizer: {type: sgd, lr: 1000}
trainer: {length: 50 steps, evaluate: 10 steps, save: 2 steps, log: 10 steps, monitor: dev/loss}
"""


@pytest.fixture
def config(write: Write) -> Path:
    """One with a broken example that an update between two savings sees."""
    write(BROKEN, "mine.py")
    write("46", "broken")
    return write(CONFIG)


# --- The update.


class Batches:
    """Batches for a small network with running statistics, one of which holds a nan."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.good = Batch(torch.randn(8, 3), torch.randn(8, 1))
        self.bad = Batch(torch.full((8, 3), math.nan), torch.randn(8, 1))

    def update(self, rule: object, most_left_out: int) -> Update:
        objective = Objective(
            "model",
            lambda model, batch: model(batch.inputs),
            lambda outputs, batch: Loss(loss=Term(((outputs - batch.targets) ** 2).sum())),
            lambda batch: {"loss": len(batch.targets)},
        )
        optimizers = {"model": Optimizer(rule, self.model)}  # type: ignore[arg-type]
        return Update(self.model, [objective], optimizers, [], Device("cpu"), most_left_out=most_left_out)

    def everything(self, update: Update) -> dict[str, Tensor]:
        found = {**self.model.state_dict(), **update.optimizers["model"].state()}
        return {name: tensor.clone() for name, tensor in found.items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


RULES = {name: name for name in Registry().names("optimizer")}
RULES |= {
    "sgd, momentum": {"type": "sgd", "momentum": 0.9},
    "sgd, text book": {"type": "sgd", "momentum": 0.9, "momentum_form": "text_book"},
    "sgd, decoupled": {"type": "sgd", "weight_decay": 0.1, "decoupled": True},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_update_that_is_not_finite_changes_nothing_whatever_the_rule(rule: object) -> None:
    batches = Batches()
    update = batches.update(made("optimizer", rule).rule, most_left_out=1)
    update(0, [batches.good], 1.0)
    before = batches.everything(update)
    update(1, [batches.bad], 1.0)
    assert same(batches.everything(update), before)
    update(2, [batches.good], 1.0)
    assert not same(batches.everything(update), before)
    assert all(torch.isfinite(tensor).all() for tensor in batches.everything(update).values())


def test_after_too_many_nothing_changes_any_more() -> None:
    batches = Batches()
    update = batches.update(made("optimizer", "adam").rule, most_left_out=0)
    update(0, [batches.good], 1.0)
    before = batches.everything(update)
    for step, batch in enumerate((batches.bad, batches.good, batches.good), start=1):
        update(step, [batch], 1.0)
        assert same(batches.everything(update), before)


def test_a_gradient_alone_that_is_not_finite_is_found() -> None:
    batches = Batches()
    update = batches.update(made("optimizer", "sgd").rule, most_left_out=0)
    first: nn.Linear = batches.model[0]  # type: ignore[assignment]
    first.weight.register_hook(lambda gradient: gradient * math.inf)
    before = batches.everything(update)
    measured = update(0, [batches.good], 1.0)["model"]
    assert math.isfinite(measured.objective)
    assert same(batches.everything(update), before)


# --- The run.


def test_a_run_stops_before_the_weights_are_touched(command: Command, config: Path) -> None:
    called = command("fit", config, "--json")
    summary = called.json
    run = Path(summary["run"])
    assert (called.status, summary["status"]) == (1, "diverged")
    kept = json.loads((run / "diverged.json").read_text())
    (numbers,) = kept["examples"]
    assert 46 in numbers and len(numbers) == 16
    assert kept["step"] == summary["steps"] < 6  # 90 examples are 6 steps
    assert kept["first"] == "the inputs of example 46 of the training set"
    for name in ("last", "best", "diverged"):
        path = run / "checkpoints" / f"{name}.safetensors"
        assert not path.exists() or command("eval", path, "--allow-plugins").status == 0
    assert all(torch.isfinite(t).all() for n, t in last(run).tensors.items() if n != "random.gauss")
    assert f"step {kept['step'] + 1}" in summary["reason"] and "example 46" in summary["reason"]


def test_the_model_that_is_kept_is_that_of_a_run_of_so_many_steps(command: Command, config: Path, write: Write) -> None:
    summary = command("fit", config, "--json").json
    steps = summary["steps"]
    write("", "broken")
    short = Path(command("fit", config, f"trainer.length={steps} steps", "--out", "short", "--json").json["run"])
    write("46", "broken")
    from nntrain.checkpoint import load

    kept = load(Path(summary["run"]) / "checkpoints" / "diverged.safetensors")
    assert steps > 0
    assert bits(kept, "model") == bits(last(short), "model")


def test_the_batch_is_shown_again(command: Command, config: Path) -> None:
    run = command("fit", config, "--json").json["run"]
    shown = command("replay", run)
    assert shown.status == 0, shown.err
    assert "the inputs of example 46 of the training set" in shown.out
    assert "body.layers.0" in shown.out and "not finite" in shown.out
    facts = command("replay", run, "--json").json
    assert facts["first"] == "the inputs of example 46 of the training set"
    assert facts["layers"]["body.layers.0"]["outputs"]["not_finite"] > 0


@pytest.mark.parametrize(
    ("model", "first"),
    [("rooted", "the outputs of body.root"), ("cornered", "the gradient of body.weight")],
)
def test_the_first_layer_that_is_not_finite_is_named(model: str, first: str, command: Command, write: Write) -> None:
    write(BROKEN, "mine.py")
    write("", "broken")
    config = write(CONFIG.replace("{type: mlp, hidden: [8], norm: batch, dropout: 0.2}", model))
    called = command("fit", config, "--json")
    assert (called.status, called.json["status"]) == (1, "diverged")
    assert f"first in {first}" in called.json["reason"]
    assert command("replay", called.json["run"], "--json").json["first"] == first


def test_a_run_that_has_not_diverged_has_nothing_to_replay(command: Command, write: Write) -> None:
    run = command("fit", write(DIVERGING), "optimizer.lr=0.1", "trainer.length=3 steps", "--json").json["run"]
    refused = command("replay", run)
    assert refused.status == 2
    assert "nothing" in refused.err or "no batch" in refused.err


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '"text"', "[" * 100_000, '{"stage": 0, "step": -1, "objective": "model", "seen": "nan"}'],
)
def test_what_is_damaged_of_it_is_named(content: str, command: Command, write: Write) -> None:
    run = Path(command("fit", write(DIVERGING), "--json").json["run"])
    (run / "diverged.json").write_text(content)
    refused = command("replay", run)
    assert refused.status == 2
    assert f"{run / 'diverged.json'} is damaged" in refused.err


@pytest.mark.parametrize("change", [{"stage": 1}, {"objective": "generator"}])
def test_what_is_of_another_config_is_not_replayed(change: dict[str, object], command: Command, write: Write) -> None:
    run = Path(command("fit", write(DIVERGING), "--json").json["run"])
    kept = json.loads((run / "diverged.json").read_text())
    (run / "diverged.json").write_text(json.dumps({**kept, **change}))
    refused = command("replay", run)
    assert refused.status == 2
    assert "another config" in refused.err


# Its batches are sound and its losses finite; what it would be used with later is not.
SPOILT = """
import torch
from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("spoilt")
class Spoilt(nn.Module):
    '''Its running sum is no longer a number from the tenth step on.'''

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.features
        self.register_buffer("sum", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.sum.add_(1)
            self.sum.copy_(torch.where(self.sum < 10, self.sum, torch.nan))
            return x
        return x + 0 * self.sum
"""


def test_a_buffer_that_is_no_number_ends_the_run_and_is_not_saved(command: Command, write: Write) -> None:
    write(SPOILT, "spoilt.py")
    config = write("plugins: [spoilt.py]\ndata: iris\nmodel: spoilt\ntrainer: {length: 30 steps, save: 4 steps}\n")
    called = command("fit", config, "trainer.evaluate=4 steps", "trainer.preflight=false", "--json")
    assert (called.status, called.json["status"]) == (1, "diverged")
    assert "model.body.sum is no longer a number after step 12" in called.json["reason"]
    for name in ("last", "best"):
        path = Path(called.json["run"]) / "checkpoints" / f"{name}.safetensors"
        measured = command("eval", path, "--allow-plugins", "--json")
        assert measured.json["metrics"]["loss"] is not None


def test_what_was_kept_of_a_batch_goes_when_the_run_goes_on(command: Command, config: Path, write: Write) -> None:
    run = Path(command("fit", config, "--json").json["run"])
    write("", "broken")
    assert command("fit", "--resume", run).status == 0
    assert not (run / "diverged.json").exists()
    assert not (run / "checkpoints" / "diverged.safetensors").exists()


def test_auto_takes_no_diverged_run_for_an_unfinished_one(command: Command, write: Write) -> None:
    config = write(DIVERGING)
    diverged = command("fit", config, "--json").json["run"]
    again = command("fit", config, "--resume", "auto", "--json").json["run"]
    assert again != diverged


# --- Leaving updates out.

SKIP = "trainer.on_nan=skip"


def test_a_run_leaves_out_a_batch_that_is_not_finite(command: Command, config: Path) -> None:
    called = command("fit", config, SKIP, "--json")
    summary = called.json
    run = Path(summary["run"])
    assert (called.status, summary["status"], summary["steps"]) == (0, "finished", 24)
    lines = [json.loads(line) for line in (run / "left_out.jsonl").read_text().splitlines()]
    assert summary["left_out"] == len(lines) == 4  # once an epoch of 6 steps
    assert all(46 in line["examples"][0] for line in lines)
    assert all(torch.isfinite(t).all() for n, t in last(run).tensors.items() if n != "random.gauss")
    assert all(math.isfinite(value) for _, value in scalars(run, "train")["objective"])


def test_more_are_too_many(command: Command, config: Path) -> None:
    called = command("fit", config, "trainer.on_nan={type: skip, times: 2}", "--json")
    assert (called.status, called.json["status"]) == (1, "diverged")
    assert 12 <= called.json["steps"] < 18
    assert called.json["left_out"] == 2


def test_a_run_that_leaves_updates_out_is_resumed_exactly(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Path(command("fit", config, SKIP, "--out", "whole", "--json").json["run"])
    for step in (3, 8, 13, 20):
        with monkeypatch.context() as patch:
            at_step(patch, step, lambda: signal.raise_signal(signal.SIGTERM))
            stopped = command("fit", config, SKIP, "--out", f"{step}")
        assert stopped.status == 143
        run = only_run(tmp_path / f"{step}")
        assert command("fit", "--resume", run).status == 0
        same_curves(whole, run)
        for read in (last, best):
            assert bits(read(whole)) == bits(read(run))
        assert (whole / "left_out.jsonl").read_text() == (run / "left_out.jsonl").read_text()


# --- Going back.


def test_a_run_goes_back_and_on_with_a_lower_rate(command: Command, write: Write) -> None:
    config = write(DIVERGING)
    called = command("fit", config, "trainer.on_nan={type: back, factor: 0.0001}", "--json")
    summary = called.json
    assert (called.status, summary["status"], summary["steps"]) == (0, "finished", 50)
    assert "with 0.0001 times the rate (1 of 3 times)" in called.err
    lines = records(Path(summary["run"]))
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50]
    assert {line["train"]["lr"] for line in lines} == {0.1}
    assert not (Path(summary["run"]) / "diverged.json").exists()


def test_it_goes_back_only_so_often(command: Command, write: Write) -> None:
    called = command("fit", write(DIVERGING), "trainer.on_nan={type: back, factor: 0.9, times: 2}", "--json")
    assert (called.status, called.json["status"]) == (1, "diverged")
    assert "(1 of 2 times)" in called.err and "(2 of 2 times)" in called.err and "(3 of" not in called.err


def test_a_run_that_diverges_before_its_first_checkpoint_goes_back_to_the_start(command: Command, write: Write) -> None:
    remedy = "trainer.on_nan={type: back, factor: 0.0001}"
    called = command("fit", write(DIVERGING), "trainer.save=100%", remedy, "--json")
    assert (called.status, called.json["status"]) == (0, "finished")
    assert "back to the start" in called.err
    lower = command("fit", write(DIVERGING), "optimizer.lr=0.1", "--out", "lower", "--json").json
    assert bits(last(Path(called.json["run"])), "model") == bits(last(Path(lower["run"])), "model")


def test_a_run_that_went_back_is_resumed_exactly(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, remedy = write(DIVERGING), "trainer.on_nan={type: back, factor: 0.0001}"
    whole = Path(command("fit", config, remedy, "--out", "whole", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 23, lambda: signal.raise_signal(signal.SIGINT))
        assert command("fit", config, remedy, "--out", "killed").status == 130
    run = only_run(tmp_path / "killed")
    assert command("fit", "--resume", run).status == 0
    same_curves(whole, run)
    assert bits(last(whole)) == bits(last(run))


def test_a_remedy_is_a_component() -> None:
    remedy = component("remedy", {"type": "back", "times": 2})()
    assert (remedy.skips, remedy.returns, remedy.factor) == (0, 2, 0.5)
