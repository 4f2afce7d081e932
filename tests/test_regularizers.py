"""Penalties against their formulas."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from nntrain.errors import UnfitError
from nntrain.optimizers import Optimizer
from nntrain.optimizers.sgd import SGD
from nntrain.regularizers import OnMatrices, OnWeights
from nntrain.regularizers.activity import Activity
from nntrain.regularizers.max_norm import MaxNorm
from nntrain.regularizers.singular_values import orthogonality, spectral
from nntrain.regularizers.weights import elastic_net, l1, l2

NO_CLOSURE: Any = None


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def bound(kind: Any, model: nn.Module, match: str = "weight$", **settings: Any) -> OnWeights:
    regularizer = OnWeights(partial(kind, **settings), match=match)
    regularizer.bind(model)
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


# --- The others: gradients against finite differences in float64, and what they mean.


def penalties(model: nn.Module) -> dict[str, Any]:
    model.register_module("filters", nn.Conv2d(2, 3, 2, dtype=torch.float64))  # so that there is a filter bank
    return {
        "l1": bound(l1, model, weight=0.3),
        "l2": bound(l2, model, weight=0.3),
        "elastic_net": bound(elastic_net, model, weight=0.3, l1_share=0.2),
        "orthogonality": bound_to_matrices(orthogonality, model, weight=0.3),
        "spectral": bound_to_matrices(spectral, model, weight=0.3),
    }


def bound_to_matrices(kind: Any, model: nn.Module, match: str = "weight$", **settings: Any) -> OnMatrices:
    regularizer = OnMatrices(partial(kind, **settings), match=match)
    regularizer.bind(model)
    return regularizer


@pytest.mark.parametrize("name", ["l1", "l2", "elastic_net", "orthogonality", "spectral"])
def test_gradients_agree_with_finite_differences(name: str, model: nn.Module) -> None:
    penalty = penalties(model)[name].penalty
    weights = [p for n, p in model.named_parameters() if n.endswith("weight")]
    gradients = torch.autograd.grad(penalty(), weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        flat, found = weight.detach().view(-1), gradient.reshape(-1)
        for i in range(len(flat)):
            sides = []
            for step in (1e-6, -2e-6):
                flat[i] += step
                sides.append(penalty().item())
            flat[i] += 1e-6
            assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(found[i].item(), abs=1e-7)


def test_elastic_net_is_a_mixture_of_l1_and_l2(model: nn.Module) -> None:
    mixed = bound(elastic_net, model, weight=0.4, l1_share=0.25).penalty().item()
    parts = bound(l1, model, weight=0.1).penalty().item() + bound(l2, model, weight=0.3).penalty().item()
    assert mixed == pytest.approx(parts)


def test_orthogonality_is_the_distance_from_orthogonal_rows_or_columns(model: nn.Module) -> None:
    tall, wide = (model[i].weight.detach() for i in (0, 2))  # (4, 3), (2, 4)
    expected = (tall.T @ tall - torch.eye(3)).square().sum() + (wide @ wide.T - torch.eye(2)).square().sum()
    assert bound_to_matrices(orthogonality, model, weight=0.5).penalty().item() == pytest.approx(0.5 * expected.item())
    for i in (0, 2):
        nn.init.orthogonal_(model[i].weight)
    assert bound_to_matrices(orthogonality, model, weight=0.5).penalty().item() == pytest.approx(0, abs=1e-25)


def test_spectral_is_half_the_square_of_the_largest_singular_value(model: nn.Module) -> None:
    largest = [torch.linalg.svdvals(model[i].weight.detach())[0].item() for i in (0, 2)]
    found = bound_to_matrices(spectral, model, weight=0.5).penalty().item()
    assert found == pytest.approx(0.25 * sum(s**2 for s in largest))


def test_max_norm_shortens_the_rows_that_are_too_long_and_no_others(model: nn.Module) -> None:
    constraint = MaxNorm(largest=1.0)
    constraint.bind(model)
    with torch.no_grad():
        model[0].weight[0] *= 100
        model[0].weight[1] *= 0.01
        model[2].weight.zero_()
    before = [p.detach().clone() for p in model.parameters()]
    constraint.project()
    after = [p.detach() for p in model.parameters()]
    assert constraint.penalty() is None
    assert after[0][0].norm().item() == pytest.approx(1)
    torch.testing.assert_close(after[0][0], before[0][0] / before[0][0].norm())
    assert torch.equal(after[0][1], before[0][1])
    assert all(torch.equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))


def test_what_acts_on_matrices_needs_one(model: nn.Module) -> None:
    for regularizer in (MaxNorm(match="bias$"), OnMatrices(partial(spectral), match="bias$")):
        with pytest.raises(UnfitError, match=r"matches no matrix; there are 0\.weight, 2\.weight") as error:
            regularizer.bind(model)
        assert error.value.path == ("match",)


# --- Activity.


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_activity_is_the_mean_size_of_a_layers_outputs(model: nn.Module, norm: Any) -> None:
    activity = Activity(layer="1", weight=0.3, norm=norm)
    activity.bind(model)
    x = torch.randn(5, 3, dtype=torch.float64)
    model(x)
    hidden = (x @ model[0].weight.T + model[0].bias).tanh()
    size = hidden.abs() if norm == "l1" else hidden.square() / 2
    expected = 0.3 * size.sum(dim=1).mean()
    penalty = activity.penalty()
    torch.testing.assert_close(penalty, expected)
    parameters = list(model[0].parameters())
    for found, wanted in zip(*(torch.autograd.grad(p, parameters) for p in (penalty, expected)), strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_activitys_gradient_agrees_with_finite_differences(model: nn.Module, norm: Any) -> None:
    activity = Activity(layer="1", weight=0.3, norm=norm)
    activity.bind(model)
    names, x = [name for name, _ in model.named_parameters()], torch.randn(5, 3, dtype=torch.float64)

    def penalty(*values: torch.Tensor) -> torch.Tensor | None:
        torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))
        return activity.penalty()

    assert torch.autograd.gradcheck(penalty, tuple(model.parameters()))


def test_activity_does_not_look_at_evaluation_and_forgets_what_was_asked(model: nn.Module) -> None:
    activity = Activity(layer="1")
    activity.bind(model)
    model.eval()(torch.ones(2, 3, dtype=torch.float64))
    with pytest.raises(UnfitError, match="did not run"):
        activity.penalty()
    model.train()(torch.ones(2, 3, dtype=torch.float64))
    assert activity.penalty().item() > 0
    with pytest.raises(UnfitError, match="did not run"):
        activity.penalty()


def test_activity_of_a_layer_that_is_not_there(model: nn.Module) -> None:
    with pytest.raises(UnfitError, match=r"there is no layer '7'; expected one of 0, 1, 2") as error:
        Activity(layer="7").bind(model)
    assert error.value.path == ("layer",)
