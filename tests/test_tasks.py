"""Tasks: what is minimised, and what evaluation makes of the outputs."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nntrain.batch import Batch
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.losses.squared import Squared
from nntrain.specs import Classes, Values
from nntrain.tasks.classification import Classification
from nntrain.tasks.regression import Regression

CLASSES = Classes(("a", "b", "c"))


def logits() -> torch.Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def classes() -> torch.Tensor:
    return torch.tensor([0, 1, 2, 2, 1, 0, 0, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_label_smoothing_is_that_of_torch(smoothing: float) -> None:
    (objective,) = Classification(CLASSES, loss=CrossEntropy, label_smoothing=smoothing).objectives
    batch = Batch(logits(), classes())
    expected = F.cross_entropy(batch.inputs, batch.targets, label_smoothing=smoothing, reduction="sum")
    assert objective.loss(batch.inputs, batch)["loss"].sum.item() == pytest.approx(expected.item(), rel=1e-6)


def test_mixed_targets_are_smoothed_like_labels() -> None:
    """t' = (1 - e) t + e / classes, linear in t."""
    (objective,) = Classification(CLASSES, loss=CrossEntropy, label_smoothing=0.3).objectives
    one_hot, others = F.one_hot(classes(), 3).float(), F.one_hot(classes().flip(0), 3).float()
    expected = F.cross_entropy(logits(), 0.7 * (0.6 * one_hot + 0.4 * others) + 0.1, reduction="sum")
    batch = Batch(logits(), 0.6 * one_hot + 0.4 * others)
    assert objective.loss(batch.inputs, batch)["loss"].sum.item() == pytest.approx(expected.item(), rel=1e-6)


def test_evaluation_measures_the_loss_against_the_labels_themselves() -> None:
    task = Classification(CLASSES, loss=CrossEntropy, label_smoothing=0.3)
    batch = Batch(logits(), classes())
    outcome = task.evaluate(nn.Identity(), batch)
    plain = F.cross_entropy(batch.inputs, batch.targets, reduction="sum")
    assert outcome.loss is not None
    assert outcome.loss["loss"].sum.item() == pytest.approx(plain.item(), rel=1e-6)
    assert outcome.counts == task.objectives[0].counts(batch) == {"loss": 8}
    assert torch.equal(outcome.predictions, batch.inputs) and torch.equal(outcome.targets, batch.targets)


def test_the_loss_of_an_untrained_classifier_is_the_logarithm_of_the_number_of_classes() -> None:
    task = Classification(CLASSES, loss=CrossEntropy)
    batch = Batch(torch.zeros(8, 3), classes())
    assert task.untrained_loss() == pytest.approx(math.log(3))
    (objective,) = task.objectives
    assert objective.loss(batch.inputs, batch).over(objective.counts(batch)).item() == pytest.approx(math.log(3))


def values() -> Batch:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(50, 2, generator=generator) * torch.tensor([40.0, 0.01]) + torch.tensor([300.0, -2.0])
    return Batch(torch.randn(50, 2, generator=generator), targets)


def test_regression_learns_standardised_targets() -> None:
    batch = values()
    spec = Values(("a", "b")).learned_from(batch.targets)
    assert spec.mean == pytest.approx(batch.targets.double().mean(dim=0).tolist())
    assert spec.deviation == pytest.approx(batch.targets.double().std(dim=0, correction=0).tolist())
    task = Regression(spec, loss=Squared)
    standardised = (batch.targets - batch.targets.mean(dim=0)) / batch.targets.std(dim=0, correction=0)
    expected = (batch.inputs - standardised).square().mean(dim=1).sum()
    assert task.loss(batch.inputs, batch)["loss"].sum.item() == pytest.approx(expected.item(), rel=1e-4)


def test_predicting_the_training_sets_mean_has_the_loss_expected_of_an_untrained_network() -> None:
    batch = values()
    task = Regression(Values(("a", "b")).learned_from(batch.targets), loss=Squared)
    loss = task.loss(torch.zeros(50, 2), batch).over(task.counts(batch))
    assert loss.item() == pytest.approx(task.untrained_loss(), rel=1e-4)


def test_predictions_are_in_the_datas_own_units() -> None:
    batch = values()
    task = Regression(Values(("a", "b"), mean=(300.0, -2.0), deviation=(40.0, 0.5)), loss=Squared)
    outcome = task.evaluate(nn.Identity(), batch)
    expected = batch.inputs * torch.tensor([40.0, 0.5]) + torch.tensor([300.0, -2.0])
    torch.testing.assert_close(outcome.predictions, expected)
    assert torch.equal(outcome.targets, batch.targets)
    assert outcome.loss is not None
    assert torch.equal(outcome.loss["loss"].sum, task.loss(batch.inputs, batch)["loss"].sum)


def test_regression_can_learn_the_targets_as_they_are() -> None:
    batch = values()
    task = Regression(Values(("a", "b")).learned_from(batch.targets), loss=Squared, standardize=False)
    expected = F.mse_loss(batch.inputs, batch.targets, reduction="sum") / 2
    assert task.loss(batch.inputs, batch)["loss"].sum.item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.equal(task.evaluate(nn.Identity(), batch).predictions, batch.inputs)
    assert task.untrained_loss() is None


def test_a_constant_target_is_only_centred() -> None:
    targets = torch.full((5, 1), 7.0)
    spec = Values(("a",)).learned_from(targets)
    assert (spec.mean, spec.deviation) == ((7.0,), (1.0,))
    assert Regression(spec, loss=Squared).loss(torch.zeros(5, 1), Batch(targets, targets))["loss"].sum.item() == 0
