"""Noise on the weights: where gradients are taken, what keeps its place, and that it is the same when asked again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from every_model import Instance, networks
from nntrain.batch import Batch
from nntrain.closure import Closure
from nntrain.coders.dense import Transposed
from nntrain.device import Device
from nntrain.errors import UnfitError
from nntrain.loss import Loss, Objective, Term
from nntrain.regularizers import OnWeights, Regularizer
from nntrain.regularizers.weight_noise import InForward, drop_connect, weight_noise
from nntrain.regularizers.weights import l2
from runs import instant_disk, last, only_run, summary_of  # noqa: F401

DEVIATION = 0.3
SQUARES = Objective(
    "model",
    lambda model, batch: model(batch.inputs),
    lambda z, batch: Loss(loss=Term(z.square().sum())),
    lambda batch: {"loss": len(batch.targets)},
)


def bound(model: nn.Module, **settings: Any) -> InForward:
    noise = InForward(lambda: weight_noise(deviation=DEVIATION), **settings)
    noise.bind(model)
    return noise


def closure(model: nn.Module, x: Any, *regularizers: Regularizer) -> Closure:
    torch.manual_seed(7)
    batch = Batch(x, torch.zeros(3))
    return Closure(model, SQUARES, list(model.parameters()), [batch], regularizers, Device("cpu"))


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_the_gradient_is_that_at_the_noisy_weights(model: nn.Sequential, x: Tensor) -> None:
    before = {name: p.clone() for name, p in model.state_dict().items()}
    found = closure(model, x, bound(model))
    assert {name: p for name, p in model.state_dict().items() if not torch.equal(p, before[name])} == {}
    torch.manual_seed(7)
    with torch.no_grad():
        for i in (0, 2):
            model[i].weight.add_(DEVIATION * torch.randn_like(model[i].weight))
    expected = closure(model, x)
    torch.testing.assert_close(found.value, expected.value)
    for one, other in zip(found.gradients, expected.gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_penalties_are_of_the_weights_without_noise(model: nn.Sequential, x: Tensor) -> None:
    penalty = OnWeights(lambda: l2(weight=1.0))
    penalty.bind(model)
    with_both, with_noise = closure(model, x, bound(model), penalty), closure(model, x, bound(model))
    squares = sum(model[i].weight.detach().square().sum() for i in (0, 2))
    torch.testing.assert_close(with_both.value - with_noise.value, squares / 2)


def test_it_is_drawn_again_where_an_update_looks_twice_and_anew_for_another(model: nn.Sequential, x: Tensor) -> None:
    asked = closure(model, x, bound(model))
    value, gradients = asked.gradient()
    assert torch.equal(value, asked.value)
    assert all(torch.equal(a, b) for a, b in zip(gradients, asked.gradients, strict=True))
    torch.testing.assert_close(asked.objective(), asked.value)
    batch = Batch(x, torch.zeros(3))
    other = Closure(model, SQUARES, list(model.parameters()), [batch], [bound(model)], Device("cpu"))
    assert not torch.isclose(other.value, asked.value)


def test_curvature_is_that_at_the_noisy_weights(model: nn.Sequential, x: Tensor) -> None:
    along = [torch.ones_like(p) for p in model.parameters()]
    found = closure(model, x, bound(model)).gauss_newton()(along)
    torch.manual_seed(7)
    with torch.no_grad():
        for i in (0, 2):
            model[i].weight.add_(DEVIATION * torch.randn_like(model[i].weight))
    for one, other in zip(found, closure(model, x).gauss_newton()(along), strict=True):
        torch.testing.assert_close(one, other)


def test_a_tied_weight_has_the_same_noise_in_all_its_places() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4, bias=False)
    tied = nn.Sequential(layer, Transposed(layer))
    with bound(tied).during_forward():
        assert layer.weight is tied[1].weight and not isinstance(layer.weight, nn.Parameter)
    assert layer.weight is tied[1].weight and isinstance(layer.weight, nn.Parameter)


def test_a_pattern_chooses_the_parameters(model: nn.Sequential) -> None:
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}
    with bound(model, match="^2").during_forward():
        noisy = {f"{i}.{name}": getattr(model[i], name) for i in (0, 2) for name in ("weight", "bias")}
        assert {name for name, p in noisy.items() if not torch.equal(p, kept[name])} == {"2.weight", "2.bias"}
    with pytest.raises(UnfitError, match="'conv' matches no parameter"):
        bound(model, match="conv")


def test_a_forward_pass_that_fails_leaves_the_weights(model: nn.Sequential) -> None:
    kept = dict(model.named_parameters())
    with pytest.raises(RuntimeError), bound(model).during_forward():
        model(torch.ones(3, 99))
    assert all(p is kept[name] for name, p in model.named_parameters()) and len(list(model.parameters())) == 4


@pytest.mark.parametrize("instance", networks(), ids=str)
def test_every_model_takes_it(instance: Instance) -> None:
    """Its loss moves with the noise, every gradient has its place, and names and weights stay."""
    model, x = instance.make().eval(), instance.batch()  # without other noise
    noise, names = bound(model, match="."), list(model.state_dict())
    before = {name: p.clone() for name, p in model.state_dict().items()}
    torch.manual_seed(1)
    plain = model(x)
    with noise.during_forward():
        torch.manual_seed(1)
        noisy = model(x)
    assert not torch.allclose(plain, noisy)
    trained = [p for p in model.parameters() if p.requires_grad]
    expected = torch.autograd.grad(plain.square().sum(), trained, allow_unused=True)
    found = torch.autograd.grad(noisy.square().sum(), trained, allow_unused=True)
    assert [g is None for g in found] == [g is None for g in expected]
    assert list(model.state_dict()) == names
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())


CONFIG = """
data: {type: iris, batch_size: 10}
model: {type: mlp, hidden: [8]}
optimizer: {type: OPTIMIZER}
regularizers: [{type: weight_noise, deviation: 0.1}]
trainer: {length: 20 epochs, preflight: false}
"""


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "hessian_free"])
def test_optimizers_of_all_kinds_train_with_it(
    optimizer: str, command: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    write(CONFIG.replace("OPTIMIZER", optimizer))
    assert command("fit", "my.yaml").status == 0
    summary = summary_of(only_run(tmp_path / "runs"))
    assert summary["train"]["loss"] < 1.0
    assert not any("parametrizations" in name for name in last(only_run(tmp_path / "runs")).tensors)


def test_small_noise_adds_half_its_variance_times_the_trace_of_the_hessian() -> None:
    """For squares of a linear layer the Hessian is 2 x x^T for each output."""
    torch.manual_seed(0)
    linear = nn.Linear(4, 2, bias=False).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    noise = bound(linear)
    values = []
    for _ in range(4000):
        with noise.during_forward(), torch.no_grad():
            values.append(linear(x).square().sum())
    expected = F.linear(x, linear.weight).square().sum() + DEVIATION**2 / 2 * 2 * 2 * x.square().sum()
    assert torch.stack(values).mean().item() == pytest.approx(expected.item(), rel=0.05)


def test_two_kinds_of_noise_act_on_the_same_weights(model: nn.Sequential, x: Tensor) -> None:
    cut = InForward(lambda: drop_connect(share=0.5))
    cut.bind(model)
    closure(model, x, bound(model), cut)
    weights = [model[i].weight for i in (0, 2)]
    with torch.no_grad():
        for weight in weights:
            weight.zero_()
    torch.manual_seed(0)
    with bound(model).during_forward(), cut.during_forward():
        seen = model[0].weight
        assert 0 < (seen == 0).sum() < seen.numel() and seen.abs().max() > DEVIATION
    assert [model[i].weight is weight for i, weight in zip((0, 2), weights, strict=True)] == [True, True]


def test_connections_are_cut_for_a_whole_batch_and_the_rest_made_stronger() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 50, batch_first=True)
    cut = InForward(lambda: drop_connect(share=0.4), match="weight_hh")
    cut.bind(lstm)
    x, before = torch.randn(2, 9, 3), lstm.weight_hh_l0.detach().clone()
    with cut.during_forward():
        kept = lstm.weight_hh_l0 / before
        states = lstm(x)[0]
    assert (kept == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    torch.testing.assert_close(kept.max(), torch.tensor(1 / 0.6))
    with torch.no_grad():
        lstm.weight_hh_l0.mul_(kept)
    torch.testing.assert_close(states, lstm(x)[0])
