"""Hinge, squared hinge and perceptron criterion against their formulas."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from nntrain.batch import IGNORED
from nntrain.losses.margin import Hinge, PerceptronCriterion, SquaredHinge
from nntrain.specs import Classes

CLASSES = Classes(("a", "b", "c"))
PAIR = Classes(("a", "b"))
SCORES = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 4.0, -1.0], [5.0, 1.0, 2.0]])
LABELS = torch.tensor([2, 0, 1, 0])
HINGES = [1 + 1.0 - 0.5, 1.0, 1 + 3.0 - 4.0, 0.0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Hinge, sum(HINGES)),
        (SquaredHinge, sum(h * h for h in HINGES)),
        (PerceptronCriterion, 0.5),
    ],
)
def test_margin_losses_by_hand(loss: Any, expected: float) -> None:
    assert loss(CLASSES)(SCORES, LABELS).sum().item() == pytest.approx(expected)


def test_the_hinge_of_two_classes_is_the_binary_one() -> None:
    torch.manual_seed(0)
    scores, labels = 2 * torch.randn(50, 2), torch.arange(50) % 2
    margins = (2 * labels - 1) * (scores[:, 1] - scores[:, 0])
    assert Hinge(PAIR)(scores, labels).sum().item() == pytest.approx((1 - margins).clamp(min=0).sum().item())
    assert SquaredHinge(PAIR)(scores, labels).sum().item() == pytest.approx(
        (1 - margins).clamp(min=0).square().sum().item()
    )
    assert PerceptronCriterion(PAIR)(scores, labels).sum().item() == pytest.approx((-margins).clamp(min=0).sum().item())


def test_the_hinge_is_that_of_torch_for_two_classes() -> None:
    torch.manual_seed(0)
    scores, labels = torch.randn(20, 2), torch.arange(20) % 2
    assert Hinge(PAIR)(scores, labels).sum().item() == pytest.approx(
        2 * F.multi_margin_loss(scores, labels, reduction="sum").sum().item()
    )


@pytest.mark.parametrize("loss", [Hinge, SquaredHinge, PerceptronCriterion])
def test_derivatives_of_margin_losses_against_differences(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)  # losses are taken in float32 at least
    torch.manual_seed(0)
    scores = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    names = Classes(("a", "b", "c", "d"))
    assert torch.autograd.gradcheck(lambda z: loss(names)(z, torch.arange(9) % 4).sum(), scores)


@pytest.mark.parametrize("loss", [Hinge, SquaredHinge, PerceptronCriterion])
def test_a_distribution_weights_the_losses_of_its_classes(loss: Any) -> None:
    rows = [loss(CLASSES)(SCORES, torch.full((4,), c)).sum().item() for c in range(3)]
    shares = torch.tensor([0.2, 0.3, 0.5]).expand(4, 3)
    expected = 0.2 * rows[0] + 0.3 * rows[1] + 0.5 * rows[2]
    assert loss(CLASSES)(SCORES, shares).sum().item() == pytest.approx(expected)
    one_hot = F.one_hot(LABELS, 3).float()
    assert loss(CLASSES)(SCORES, one_hot).sum().item() == pytest.approx(loss(CLASSES)(SCORES, LABELS).sum().item())


@pytest.mark.parametrize("loss", [Hinge, SquaredHinge, PerceptronCriterion])
def test_ignored_positions_of_sequences_count_nothing(loss: Any) -> None:
    scores, labels = SCORES.view(2, 2, 3), torch.tensor([[2, IGNORED], [1, IGNORED]])
    assert loss(CLASSES)(scores, labels).sum().item() == pytest.approx(
        loss(CLASSES)(SCORES[::2], LABELS[::2]).sum().item()
    )


def test_the_gradient_of_the_criterion_is_the_perceptron_rule() -> None:
    """Right answers give none; after a wrong one the winner's score is to fall and the right one's to rise."""
    scores = SCORES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(PerceptronCriterion(CLASSES)(scores, LABELS).sum(), scores)
    assert gradient.tolist() == [[1, 0, -1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_from_equal_scores_one_class_wins() -> None:
    scores = torch.zeros(1, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(PerceptronCriterion(CLASSES)(scores, torch.tensor([2])).sum(), scores)
    assert gradient.tolist() == [[1, 0, -1]]
