"""Losses against their formulas: sums over the examples."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from nntrain.loss import Loss, Term
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.losses.squared import Squared
from nntrain.specs import Classes, Values

CLASSES = Classes(("a", "b", "c"))
LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 4.0, -1.0]])


def probabilities(logits: Sequence[float]) -> list[float]:
    return [math.exp(z) / sum(map(math.exp, logits)) for z in logits]


def test_cross_entropy_of_classes() -> None:
    p = [probabilities(z) for z in LOGITS.tolist()]
    expected = -math.log(p[0][2]) - math.log(p[1][0]) - math.log(p[2][1])
    assert CrossEntropy(CLASSES)(LOGITS, torch.tensor([2, 0, 1])).sum().item() == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_of_distributions() -> None:
    targets = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.9, 0.1]])
    p = [probabilities(z) for z in LOGITS.tolist()]
    expected = -sum(
        t * math.log(q) for row, qs in zip(targets.tolist(), p, strict=True) for t, q in zip(row, qs, strict=True)
    )
    assert CrossEntropy(CLASSES)(LOGITS, targets).sum().item() == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_of_a_class_is_that_of_its_one_hot_distribution() -> None:
    targets = torch.tensor([2, 0, 1])
    loss = CrossEntropy(CLASSES)
    torch.testing.assert_close(loss(LOGITS, targets), loss(LOGITS, F.one_hot(targets).float()))


def test_the_gradient_of_cross_entropy_is_the_softmax_minus_the_target() -> None:
    logits = LOGITS.clone().requires_grad_()
    targets = torch.tensor([2, 0, 1])
    (gradient,) = torch.autograd.grad(CrossEntropy(CLASSES)(logits, targets).sum(), logits)
    torch.testing.assert_close(gradient, LOGITS.softmax(dim=1) - F.one_hot(targets))


def test_cross_entropy_is_finite_for_large_logits() -> None:
    assert CrossEntropy(CLASSES)(torch.tensor([[1e4, 0.0, -1e4]]), torch.tensor([2])).item() == pytest.approx(2e4)


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_number_of_classes() -> None:
    assert CrossEntropy(CLASSES)(torch.zeros(1, 3), torch.tensor([1])).item() == pytest.approx(math.log(3))


def test_squared_error_is_averaged_over_the_values_and_summed_over_the_examples() -> None:
    outputs = torch.tensor([[1.0, 2.0], [0.0, -1.0], [5.0, 5.0]])
    targets = torch.tensor([[0.0, 4.0], [0.0, -1.5], [5.0, 5.0]])
    assert Squared(Values(("a", "b")))(outputs, targets).sum().item() == pytest.approx((1 + 4) / 2 + 0.25 / 2)


@pytest.mark.parametrize("loss", [CrossEntropy(CLASSES), Squared(Values(("a", "b", "c")))])
def test_losses_of_bfloat16_outputs_are_in_float32(loss: CrossEntropy | Squared) -> None:
    targets = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    value = loss(LOGITS.bfloat16(), targets)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(LOGITS.bfloat16().float(), targets))


def test_a_loss_over_counts_is_the_weighted_sum_of_the_terms_means() -> None:
    loss = Loss(words=Term(torch.tensor(6.0)), edges=Term(torch.tensor(10.0), weight=0.5))
    assert loss.over({"words": 4, "edges": 20}).item() == pytest.approx(6 / 4 + 0.5 * 10 / 20)
    assert loss.over({"words": 4, "edges": 20}).shape == ()


LABELS_ALONE = '''
import torch.nn.functional as F
from torch import Tensor

from nntrain.registry import loss
from nntrain.specs import Classes


@loss("of_labels_alone")
class OfLabelsAlone:
    """Cross-entropy of labels.

    L = -ln p

    Source: a test.
    """

    def __init__(self, targets: Classes) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.nll_loss(outputs.log_softmax(1), targets, reduction="none")
'''


@pytest.mark.parametrize("override", ["data.mix=mixup", "task.label_smoothing=0.1"])
def test_a_loss_of_labels_alone_says_so_where_they_are_mixed(
    override: str, command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    write(LABELS_ALONE, "mine.py")
    config = "plugins: [mine.py]\ndata: iris\nmodel: linear\ntask: {type: classification, loss: of_labels_alone}\n"
    path = write(config + "trainer: {length: 2 steps, preflight: false}\n")
    assert command("fit", path).status == 0
    refused = command("fit", path, override)
    assert refused.status == 2
    assert (
        "task.loss: this loss fails on distributions of classes, which data.mix and task.label_smoothing" in refused.err
    )
