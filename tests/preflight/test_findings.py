"""Findings as a user meets them: in `check`, in `fit`, as JSON, silenced; and that looking changes no run."""

import ast
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import nntrain.preflight
from nntrain.assemble import assemble
from nntrain.config import load
from nntrain.device import python_state
from nntrain.invocation import command_line
from nntrain.parts import Parts
from nntrain.preflight.finding import Finding, Rule, applicable
from nntrain.preflight.run import preflight
from runs import bits, last, only_run, records, same_curves

Command = Callable[..., Any]
Write = Callable[..., Path]

HEALTHY = """
data: wine
model: {type: mlp, hidden: [16], dropout: 0.1, norm: batch}
optimizer: {type: adam, lr: 0.01}
trainer: {length: 20 steps, evaluate: 10 steps}
"""
RAW = HEALTHY.replace("data: wine", "data: {type: wine, standardize: false}").replace(", norm: batch", "")

PLUGIN = '''
import numpy, random, torch
from torch import nn
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data, model
from nntrain.specs import Classes, Vector

@data("missing", within=InMemory)
def missing() -> Source:
    """Rows with a number that is missing."""
    inputs = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    inputs[:, 1] = torch.where(torch.arange(200) % 50 == 7, torch.nan, inputs[:, 1])
    return Source("missing", Vector(3), Classes(("a", "b")), Examples(inputs, torch.arange(200) % 2))

@model("noisy")
class Noisy(nn.Module):
    """A network that draws from every generator, and remembers what it has seen."""

    features = 8

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs.features, 8)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += len(x)
        noise = random.random() + numpy.random.rand() + torch.rand(())
        return torch.relu(self.linear(x)) + 0.1 * noise
'''


def test_nothing_is_said_of_a_healthy_config(command: Command, write: Write) -> None:
    write(HEALTHY)
    checked = command("check", "my.yaml", "--strict")
    assert checked.status == 0
    assert "alarm" not in checked.out and "remark" not in checked.out
    assert command("check", "my.yaml", "--json").json["findings"] == []
    fitted = command("fit", "my.yaml")
    assert "alarm" not in fitted.err and "remark" not in fitted.err


def test_check_says_alarms_and_then_remarks(command: Command, write: Write) -> None:
    write(RAW)
    checked = command("check", "my.yaml")
    assert checked.status == 0
    blocks = checked.out[checked.out.index("alarm:") :]
    assert blocks.startswith(
        "alarm: inputs reach 1680, 18% of them are beyond 20, and a feature's deviation is 319.8 (at most 20)\n"
        "  where    train set, feature 12\n"
        "  likely   inputs that are not standardised; or a wrong unit or scale\n"
        "  confirm  nntrain check my.yaml data.standardize=true\n"
        "  silence  trainer.silence=[input_scale]\n"
    )
    assert blocks.rindex("alarm: ") < blocks.index("remark: the features' deviations are from 0.126 to 320")


def test_what_confirms_a_finding_ends_it(command: Command, write: Write) -> None:
    write(RAW)
    (scale, *_) = command("check", "my.yaml", "--json").json["findings"]
    confirmed = command(*scale["confirm"].split()[1:], "--json", "--strict")
    assert confirmed.status == 0 and confirmed.json["findings"] == []


def test_strict_is_for_alarms_alone(command: Command, write: Write) -> None:
    write(RAW)
    write(HEALTHY, "healthy.yaml")
    assert command("check", "my.yaml", "--strict").status == 2
    assert command("check", "healthy.yaml", "my.yaml", "--strict").status == 2
    silenced = command("check", "my.yaml", "--strict", "--json", "trainer.silence=[input_scale, first_loss, one_batch]")
    assert silenced.status == 0
    assert [finding["level"] for finding in silenced.json["findings"]] == ["remark"]


def test_a_finding_as_json(command: Command, write: Write) -> None:
    write(PLUGIN, "plugin.py")
    write(HEALTHY.replace("wine", "missing\nplugins: [plugin.py]"))
    (found,) = command("check", "my.yaml", "seed=3", "data.standardize=false", "--json").json["findings"]
    assert found == {
        "rule": "finite_numbers",
        "level": "alarm",
        "seen": "the train inputs hold nan; all must be finite numbers",
        "where": {"split": "train", "example": 6, "feature": 1},
        "causes": ["missing values in the data"],
        "confirm": "nntrain check my.yaml seed=3 data.standardize=false",
        "silence": "trainer.silence=[finite_numbers]",
    }


def test_an_unknown_rule_cannot_be_silenced(command: Command, write: Write) -> None:
    write(HEALTHY.replace("20 steps,", "20 steps, silence: [first_los],", 1))
    refused = command("check", "my.yaml")
    assert refused.status == 2 and "trainer.silence.0" in refused.err and "first_loss" in refused.err


def test_fit_says_alarms_before_it_trains_and_counts_remarks(command: Command, write: Write) -> None:
    write(RAW)
    fitted = command("fit", "my.yaml", "--json", "seed=1")
    assert fitted.json["status"] == "finished"
    alarm, remark, training = (fitted.err.index(word) for word in ("alarm: inputs reach", "1 remark", "training in"))
    assert alarm < remark < training
    assert "1 remark; to read: nntrain check my.yaml seed=1\n" in fitted.err


def test_fit_can_leave_it_out(command: Command, write: Write) -> None:
    write(RAW)
    assert "alarm" not in command("fit", "my.yaml", "trainer.preflight=false").err


def test_a_rule_that_fails_stops_no_run(command: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise IndexError("no such dimension")

    monkeypatch.setattr("nntrain.preflight.first_batch.frozen", fail)
    write(HEALTHY)
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.json["status"] == "finished"
    assert "the look for faults failed (IndexError: no such dimension" in fitted.err


def test_batch_statistics_may_start_high_in_one_mode(write: Write) -> None:
    parts = made(write, HEALTHY)
    parts.model.body.layers[0].norm.running_var.fill_(1e-4)  # type: ignore[union-attr,index]
    assert preflight(parts, with_fitting=False) == []


@pytest.mark.parametrize("model", ["", "model=noisy"])
def test_a_run_has_the_same_bits_with_and_without(command: Command, write: Write, tmp_path: Path, model: str) -> None:
    write(PLUGIN, "plugin.py")
    write(HEALTHY + "plugins: [plugin.py]\n")
    changed = [model] if model else []
    command("fit", "my.yaml", "--out", "with", *changed)
    command("fit", "my.yaml", "--out", "without", *changed, "trainer.preflight=false")
    one, other = (only_run(tmp_path / out) for out in ("with", "without"))
    assert records(one)
    assert bits(last(one)) == bits(last(other))
    same_curves(one, other)


def made(write: Write, text: str, *overrides: str) -> Parts:
    return assemble(load(write(text), ["name=my", *overrides]))


def test_looking_leaves_everything_as_it_was(write: Write) -> None:
    write(PLUGIN, "plugin.py")
    parts = made(write, HEALTHY + "plugins: [plugin.py]\n", "model=noisy")
    before = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    torch_state, other_states = torch.get_rng_state(), python_state()
    assert preflight(parts, with_fitting=True) == []
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert all(torch.equal(state, python_state()[name]) or name == "gauss" for name, state in other_states.items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts.model.state_dict().items())
    assert parts.model.training and all(p.grad is None for p in parts.model.parameters())


def test_looking_twice_finds_the_same(write: Write) -> None:
    parts = made(write, RAW)
    assert preflight(parts, with_fitting=True) == preflight(parts, with_fitting=True) != []


def test_fit_does_not_try_to_fit_a_batch(write: Write) -> None:
    parts = made(write, HEALTHY, "optimizer.lr=1e-9")
    assert preflight(parts, with_fitting=False) == []
    assert [finding.rule for finding in preflight(parts, with_fitting=True)] == ["one_batch"]


def test_every_rule_can_be_found_and_silenced() -> None:
    folder = Path(nntrain.preflight.__file__).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]
    calls = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call)]
    found = {c.args[0].value for c in calls if getattr(c.func, "id", "") == "Finding" and c.args}  # type: ignore[attr-defined]
    assert found == set(get_args(Rule))


def test_a_command_to_copy_replaces_what_was_typed() -> None:
    typed = ("optimizer.lr=1", "model.hidden=[8, 8]")
    line = command_line("check", "my config.yaml", typed, ("optimizer.lr=0.1",))
    assert line == "nntrain check 'my config.yaml' 'model.hidden=[8, 8]' optimizer.lr=0.1"


def test_a_setting_is_suggested_only_where_it_changes_something() -> None:
    plain = {"data": {"standardize": True, "split": {"seed": 0}}, "seed": 1}
    assert applicable(plain, "data.standardize=true", "data.root=x", "seed=1", "data.split.seed=1") == (
        "data.split.seed=1",
    )
    assert applicable(plain, "seed=1") == ()


def test_a_finding_without_particulars_is_still_whole() -> None:
    found = dataclasses.replace(Finding("frozen", "remark", "seen"), verb="fit")
    assert found.as_text("my.yaml", ()) == (
        "remark: seen\n  confirm  nntrain fit my.yaml\n  silence  trainer.silence=[frozen]"
    )
