"""The norms of gradients by layer: what they are, where they are logged, and what they show of deep networks."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from nntrain.gradient_norms import GradientNorms
from runs import instant_disk, only_run, records, scalars  # noqa: F401

Command = Callable[..., Any]


class Scaled(nn.Module):
    """A model with a parameter of its own beside its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.first = nn.Linear(3, 4)
        self.last = weight_norm(nn.Linear(4, 2))


def test_a_layer_is_a_module_with_what_computes_its_weights() -> None:
    names = [name for name, _ in Scaled().named_parameters()]
    gradients = [torch.full(p.shape, float(i + 1)) for i, p in enumerate(Scaled().parameters())]
    norms = GradientNorms(names)
    assert norms.layers == ["parameters", "first", "last"]
    of = dict(zip(names, gradients, strict=True))
    expected = [
        math.sqrt(sum(float(of[n].square().sum()) for n in names if n.startswith(start)))
        for start in ("scale", "first", "last")
    ]
    assert norms(tuple(names), gradients).tolist() == pytest.approx(expected)


CONFIG = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8, 6]}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 30 steps, evaluate: 5 steps, gradient_norms: true, clip: 0.5}
"""
LAYERS = ("body.layers.0.linear", "body.layers.1.linear", "head")


def test_they_are_logged_beside_the_norm_of_the_whole_gradient(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(CONFIG)
    assert command("fit", "my.yaml", "trainer.log=1 step", "trainer.evaluate=1 step").status == 0
    for record in records(only_run(tmp_path / "runs")):
        squares = [record["train"][f"grad_norm/{layer}"] ** 2 for layer in LAYERS]
        assert math.sqrt(sum(squares)) == pytest.approx(record["train"]["grad_norm"], rel=1e-5)
    curves = scalars(only_run(tmp_path / "runs"), "train")
    assert [tag for tag in curves if tag.startswith("grad_norm/")] == [f"grad_norm/{layer}" for layer in LAYERS]
    assert len(curves["grad_norm/head"]) == 30


def test_they_are_not_where_they_are_not_asked_for(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(CONFIG)
    assert command("fit", "my.yaml", "trainer.gradient_norms=false").status == 0
    run = only_run(tmp_path / "runs")
    assert not any("/" in tag for tag in records(run)[-1]["train"])
    assert "grad_norm" in records(run)[-1]["train"]


def test_several_objectives_have_theirs_under_their_names(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(
        "data: {type: ring, examples: 200}\nmodel: gan\ntask: gan\n"
        "trainer: {length: 4 steps, evaluate: 2 steps, gradient_norms: true}"
    )
    assert command("fit", "my.yaml").status == 0
    train = records(only_run(tmp_path / "runs"))[-1]["train"]
    tags = [tag for tag in train if "grad_norm/" in tag]
    assert all(tag.split("/")[0] in ("discriminator", "generator") for tag in tags) and len(tags) == 6
    assert sum(train[tag] > 0 for tag in tags) == 6


def test_the_setting_may_change_on_the_way(command: Command, write: Callable[..., Path], tmp_path: Path) -> None:
    write(CONFIG)
    assert command("fit", "my.yaml", "trainer.gradient_norms=false").status == 0
    run = only_run(tmp_path / "runs")
    assert command("fit", "--resume", run, "trainer.gradient_norms=true", "trainer.length=40 steps").status == 0
    assert {f"grad_norm/{layer}" in records(run)[-1]["train"] for layer in LAYERS} == {True}


# --- Vanishing gradients: 20 layers of units.

DEEP = """
data: {type: digits, batch_size: 32}
model: {type: mlp, hidden: [WIDTHS], ACTIVATION}
INIT
optimizer: {type: adam, lr: 0.001}
trainer: {length: 200 steps, evaluate: 200 steps, log: 1 step, gradient_norms: true, preflight: false}
"""
SMALL = 'init: [{type: normal, deviation: 0.1, match: "linear.weight$"}]'
HE = 'init: [{type: he_normal, match: "linear.weight$"}]'


@pytest.mark.parametrize(
    ("activation", "init", "trains"),
    [
        ("activation: sigmoid", SMALL, False),
        ("activation: relu", HE, True),
        ("activation: sigmoid, norm: batch", SMALL, True),
    ],
    ids=["sigmoid, small weights", "relu, He weights", "sigmoid, small weights, batch normalisation"],
)
def test_twenty_layers_train_where_gradients_reach_the_first(
    activation: str, init: str, trains: bool, command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    widths = ", ".join(["32"] * 20)
    write(DEEP.replace("WIDTHS", widths).replace("ACTIVATION", activation).replace("INIT", init))
    assert command("fit", "my.yaml").status == 0
    run = only_run(tmp_path / "runs")
    curves = scalars(run, "train")
    first, last = (dict(curves[f"grad_norm/{layer}"])[1] for layer in ("body.layers.0.linear", "head"))
    error = records(run)[-1]["train"]["error_rate"]
    if trains:
        assert first / last > 0.1 and error < 0.5
    else:
        assert first / last < 1e-3 and error > 0.85
