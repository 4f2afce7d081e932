"""Clips, against their formulas and torch's functions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nntrain.assemble import assemble
from nntrain.clips import Clipping, unclipped
from nntrain.clips.adaptive import adaptive
from nntrain.clips.norm import norm
from nntrain.clips.value import value
from nntrain.config import load
from nntrain.errors import UnfitError
from runs import instant_disk, records  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]


def network() -> nn.Module:
    """Filters, matrices and biases with gradients; a unit without weights, one without a gradient."""
    torch.manual_seed(0)
    model = nn.Module()
    model.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5), nn.Tanh())
    model.head = nn.Linear(5, 3)
    with torch.no_grad():
        model.body[2].weight[1] = 0
    logits = model.head(model.body(3 * torch.randn(6, 1, 8, 8)))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0, 1, 2]), reduction="sum").backward()
    model.body[2].weight.grad[3] = 0
    return model


def clipped(model: nn.Module, clipping: Clipping) -> dict[str, Tensor]:
    """The gradients by name after clipping; those of the model are looked at and left as they are."""
    parameters = list(model.parameters())
    before = [p.grad.clone() for p in parameters]
    gradients = [p.grad for p in parameters]
    found = clipping(parameters, gradients, nn.utils.get_total_norm(gradients))
    assert all(torch.equal(p.grad, kept) for p, kept in zip(parameters, before, strict=True))
    return dict(zip(dict(model.named_parameters()), found, strict=True))


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-8, msg=name)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("limit", [1e-3, 0.3, 1.0, 1e3])
def test_norm_is_that_of_torch(limit: float) -> None:
    model = network()
    found = clipped(model, norm(model, limit=limit))
    nn.utils.clip_grad_norm_(model.parameters(), limit)
    assert_same(found, gradients(model))


@pytest.mark.parametrize("limit", [1e-3, 0.3, 1e3])
def test_value_is_that_of_torch(limit: float) -> None:
    model = network()
    found = clipped(model, value(model, limit=limit))
    nn.utils.clip_grad_value_(model.parameters(), limit)
    assert_same(found, gradients(model))


def by_hand(weights: Tensor, gradient: Tensor, ratio: float, eps: float) -> Tensor:
    """The formula of section 4.1, one unit after the other: G_i ratio |W_i|* / |G_i| where |G_i| / |W_i|* > ratio."""
    rows = [(weights, gradient)] if weights.dim() == 1 else list(zip(weights, gradient, strict=True))
    found = []
    for w, g in rows:
        size = max(float(w.detach().double().norm()), eps)
        length = float(g.double().norm())
        found.append(g * (ratio * size / length) if length / size > ratio else g)
    return torch.stack(found).view_as(gradient)


@pytest.mark.parametrize(("ratio", "eps"), [(0.01, 1e-3), (1.0, 1e-3), (0.1, 2.0)])
def test_adaptive_is_that_of_its_formula(ratio: float, eps: float) -> None:
    model = network()
    found = clipped(model, adaptive(model, ratio=ratio, eps=eps))
    expected = {
        name: p.grad if name.startswith("head.") else by_hand(p, p.grad, ratio, eps)
        for name, p in model.named_parameters()
    }
    assert_same(found, expected)
    changed = {name for name, gradient in found.items() if not torch.equal(gradient, gradients(model)[name])}
    assert "body.0.weight" in changed or ratio == 1.0
    zeros = found["body.2.weight"][1].norm()  # a unit whose weights are zeros may change
    assert 0 < zeros <= ratio * eps * 1.0001


def test_adaptive_takes_the_parameters_that_match() -> None:
    model = network()
    found = clipped(model, adaptive(model, ratio=1e-4, match="^head.weight"))
    changed = {name for name, gradient in found.items() if not torch.equal(gradient, gradients(model)[name])}
    assert changed == {"head.weight"}
    with pytest.raises(UnfitError, match="'haed' matches no parameter"):
        adaptive(model, match="haed")


def test_without_a_clip_gradients_stay() -> None:
    model = network()
    assert_same(clipped(model, unclipped(model)), gradients(model))


IRIS = """
data: {type: iris, batch_size: 30}
model: {type: mlp, hidden: [8, 6]}
optimizer: {type: sgd, lr: 0.5}
trainer: {length: 3 steps, evaluate: 1 step, save: 1 step, clip: CLIP}
"""


def test_a_number_is_short_for_the_norm(command: Command, write: Write) -> None:
    short, long, other = (
        records(Path(command("fit", write(IRIS.replace("CLIP", text)), "--json").json["run"]))[-1]["dev"]
        for text in ("0.1", "{type: norm, limit: 0.1}", "{type: norm, limit: 0.2}")
    )
    assert short == long != other


@pytest.mark.parametrize("clip", ["{type: norm, limit: 0.01}", "{type: value, limit: 0.001}", "adaptive"])
def test_the_logged_norm_is_that_before_clipping(clip: str, command: Command, write: Write) -> None:
    runs = [Path(command("fit", write(IRIS.replace("CLIP", text)), "--json").json["run"]) for text in (clip, "null")]
    first, unclipped_first = (records(run)[0]["train"] for run in runs)
    assert first["grad_norm"] == unclipped_first["grad_norm"] > 0.01
    assert first["loss"] != unclipped_first["loss"]


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ("-1", "trainer.clip: expected a number greater than 0, found -1"),
        ("{type: value, limit: 0}", "trainer.clip.limit: expected a number greater than 0, found 0"),
        ("norm", "norm needs the setting 'limit'"),
        ("{type: adaptive, match: nothing}", "trainer.clip.match: 'nothing' matches no parameter"),
        ("{type: adaptive, match: '('}", "trainer.clip.match: '(' is not a regular expression"),
        ("aggressive", "unknown clip 'aggressive'"),
    ],
)
def test_what_is_wrong_is_said(clip: str, message: str, command: Command, write: Write) -> None:
    refused = command("fit", write(IRIS.replace("CLIP", clip)))
    assert refused.status == 2
    assert message in refused.err


def test_patterns_are_on_the_names_of_the_whole_model_where_it_has_several_objectives(write: Write) -> None:
    config = """
data: {type: ring, examples: 60}
model: {type: gan, noise: 2, networks: {type: dense, hidden: [4]}}
task: gan
optimizer: {discriminator: {type: sgd, lr: 1.0}, generator: {type: sgd, lr: 1.0}}
trainer: {length: 1 steps, clip: {type: adaptive, ratio: 1.0e-9, match: ^generator}}
"""
    document = load(write(config))
    document.data["name"] = "my"
    parts = assemble(document)
    before = {name: p.detach().clone() for name, p in parts.model.named_parameters()}
    parts.update()(0, next(parts.data.train.stream(parts.order.updates(0))), 1.0)
    moved = {name: float((p.detach() - before[name]).norm()) for name, p in parts.model.named_parameters()}
    assert all(step < 1e-6 for name, step in moved.items() if name.startswith("generator"))
    assert any(step > 1e-4 for name, step in moved.items() if name.startswith("discriminator"))
