"""Penalties against their formulas."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nntrain.errors import UnfitError
from nntrain.optimizers import Optimizer
from nntrain.optimizers.sgd import SGD
from nntrain.regularizers import OnWeights
from nntrain.regularizers.weights import l1, l2

NO_CLOSURE: Any = None


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def bound(kind: Any, model: nn.Module, match: str = "weight$", **settings: Any) -> OnWeights:
    regularizer = OnWeights(partial(kind, **settings), match=match)
    regularizer.bind(dict(model.named_parameters()))
    return regularizer


def test_l2_is_half_the_weighted_sum_of_squares_of_the_weights(model: nn.Module) -> None:
    penalty = bound(l2, model, weight=0.3).penalty()
    assert penalty.item() == pytest.approx(0.15 * sum(model[i].weight.square().sum().item() for i in (0, 2)))
    gradients = torch.autograd.grad(penalty, list(model.parameters()), allow_unused=True)
    assert gradients[1] is None and gradients[3] is None
    torch.testing.assert_close(gradients[0], 0.3 * model[0].weight.detach())
    torch.testing.assert_close(gradients[2], 0.3 * model[2].weight.detach())


def test_l1_is_the_weighted_sum_of_sizes_of_the_weights(model: nn.Module) -> None:
    with torch.no_grad():
        model[0].weight[0, 0] = 0.0
    penalty = bound(l1, model, weight=0.3).penalty()
    assert penalty.item() == pytest.approx(0.3 * sum(model[i].weight.abs().sum().item() for i in (0, 2)))
    gradients = torch.autograd.grad(penalty, list(model.parameters()), allow_unused=True)
    assert gradients[1] is None and gradients[3] is None
    torch.testing.assert_close(gradients[0], 0.3 * model[0].weight.detach().sign())
    assert gradients[0][0, 0] == 0


@pytest.mark.parametrize("kind", [l1, l2])
@pytest.mark.parametrize(
    ("match", "chosen"), [("bias$", [1, 3]), ("^0", [0, 1]), ("2", [2, 3]), (".", [0, 1, 2, 3]), ("^2.weight$", [2])]
)
def test_a_pattern_chooses_parameters_by_name(kind: Any, model: nn.Module, match: str, chosen: list[int]) -> None:
    penalty = bound(kind, model, match=match).penalty()
    gradients = torch.autograd.grad(penalty, list(model.parameters()), allow_unused=True)
    assert [i for i, gradient in enumerate(gradients) if gradient is not None] == chosen


@pytest.mark.parametrize("kind", [l1, l2])
def test_a_pattern_that_matches_nothing_is_refused_with_the_names_there_are(kind: Any, model: nn.Module) -> None:
    with pytest.raises(UnfitError, match=r"'conv' matches no parameter; there are 0\.weight, 0\.bias") as error:
        bound(kind, model, match="conv")
    assert error.value.path == ("match",)


@pytest.mark.parametrize("kind", [l1, l2])
def test_a_broken_pattern_is_refused(kind: Any, model: nn.Module) -> None:
    with pytest.raises(UnfitError, match="not a regular expression"):
        bound(kind, model, match="(weight")


def test_l2_in_plain_sgd_equals_weight_decay(model: nn.Module) -> None:
    """As its docstring says; the other gradients are zero here."""
    penalised = torch.autograd.grad(bound(l2, model, weight=0.2, match=".").penalty(), list(model.parameters()))
    expected = [p.detach() * (1 - 0.1 * 0.2) for p in model.parameters()]
    start = {name: p.clone() for name, p in model.state_dict().items()}
    for rule, gradients in (
        (SGD(lr=0.1), list(penalised)),
        (SGD(lr=0.1, weight_decay=0.2), [torch.zeros_like(p) for p in model.parameters()]),
    ):
        model.load_state_dict(start)
        Optimizer(rule, model).step(gradients, 1.0, NO_CLOSURE)
        for p, value in zip(model.parameters(), expected, strict=True):
            torch.testing.assert_close(p.detach(), value)


def test_a_penalty_follows_the_weights_as_they_change(model: nn.Module) -> None:
    regularizer = bound(l2, model, weight=1.0)
    before = regularizer.penalty().item()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    assert regularizer.penalty().item() == pytest.approx(4 * before)
