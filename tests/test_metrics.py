"""Metrics against scikit-learn, and merged over batches of any size."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from nntrain.metrics.classification import Accuracy, ErrorRate
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.metrics.regression import CoefficientOfDetermination, MeanAbsoluteError, RootMeanSquaredError
from nntrain.specs import Classes, Values

N = 61
CLASSES = Classes(("ant", "bee", "cat", "dog"))
VALUES = Values(("a", "b"), mean=(100.0, -3.0), deviation=(2.0, 0.5))
SPLITS = [[N], [1] * N, [60, 1], [7] * 8 + [5], [1, 20, 40]]


def classified() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(4, (N,), generator=generator)
    logits = torch.randn(N, 4, generator=generator)
    logits[torch.arange(N), targets] += 1
    return logits, targets


def regressed() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(N, 2, generator=generator) * torch.tensor([2.0, 0.5]) + torch.tensor([100.0, -3.0])
    return targets + 0.3 * torch.randn(N, 2, generator=generator), targets


def merged(metric: Any, predictions: Tensor, targets: Tensor, sizes: Sequence[int]) -> Any:
    """The state of all examples, added up over batches of these sizes."""
    first, *rest = zip(predictions.split(sizes), targets.split(sizes), strict=True)
    state = metric.measure(*first)
    for batch in rest:
        state = state + metric.measure(*batch)
    return state


@pytest.mark.parametrize("sizes", SPLITS)
def test_accuracy_and_error_rate(sizes: list[int]) -> None:
    logits, targets = classified()
    right = sklearn_metrics.accuracy_score(targets, logits.argmax(dim=1))
    assert 0.3 < right < 0.9
    for metric, expected in ((Accuracy(CLASSES), right), (ErrorRate(CLASSES), 1 - right)):
        assert metric.value(merged(metric, logits, targets, sizes)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", SPLITS)
def test_regression_metrics(sizes: list[int]) -> None:
    predictions, targets = regressed()
    y, t = predictions.double(), targets.double()
    for metric, expected in (
        (RootMeanSquaredError(VALUES), math.sqrt(sklearn_metrics.mean_squared_error(t, y))),
        (MeanAbsoluteError(VALUES), sklearn_metrics.mean_absolute_error(t, y)),
        (CoefficientOfDetermination(VALUES), sklearn_metrics.r2_score(t, y)),
    ):
        assert metric.value(merged(metric, predictions, targets, sizes)) == pytest.approx(expected, rel=1e-9)


def test_regression_metrics_by_hand() -> None:
    predictions, targets = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[1.0], [4.0], [4.0]])
    one = Values(("a",))
    found = [m(one).value(m(one).measure(predictions, targets)) for m in (RootMeanSquaredError, MeanAbsoluteError)]
    assert found == pytest.approx([math.sqrt(8 / 3), 4 / 3])
    r2 = CoefficientOfDetermination(one)
    assert r2.value(r2.measure(predictions, targets)) == pytest.approx(1 - 8 / 6)


def test_r2_is_1_for_perfect_predictions_and_0_for_the_mean() -> None:
    _, targets = regressed()
    r2 = CoefficientOfDetermination(VALUES)
    assert r2.value(r2.measure(targets, targets)) == 1
    mean = targets.double().mean(dim=0).expand(N, 2)
    assert r2.value(r2.measure(mean, targets)) == pytest.approx(0, abs=1e-9)


def test_r2_loses_no_digits_far_from_zero() -> None:
    """Sums of squares around 0 would leave none of the digits of a deviation of 0.01 at 100 million."""
    targets = torch.tensor([[1e8], [1e8 + 0.01], [1e8 + 0.03]], dtype=torch.float64)
    predictions = targets + torch.tensor([[0.001], [-0.002], [0.001]], dtype=torch.float64)
    r2 = CoefficientOfDetermination(Values(("a",), mean=(1e8 + 0.01,), deviation=(0.01,)))
    expected = sklearn_metrics.r2_score(targets, predictions)
    assert r2.value(r2.measure(predictions, targets)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 123.456, 1e6])
@pytest.mark.parametrize("mean", [0.0, 100.1])
def test_r2_of_equal_targets_is_not_a_number(value: float, mean: float) -> None:
    r2 = CoefficientOfDetermination(Values(("a",), mean=(mean,), deviation=(1.0,)))
    for n in range(1, 40):
        targets = torch.full((n, 1), value)
        state = merged(r2, targets + torch.arange(n)[:, None], targets, [1] * n)
        assert math.isnan(r2.value(state)), n


def test_which_way_is_up() -> None:
    lower, higher = (ErrorRate, RootMeanSquaredError, MeanAbsoluteError), (Accuracy, CoefficientOfDetermination)
    assert {metric.better for metric in lower} == {"lower"}
    assert {metric.better for metric in higher} == {"higher"}


@pytest.mark.parametrize("sizes", SPLITS)
def test_confusion_matrix(sizes: list[int]) -> None:
    logits, targets = classified()
    confusion = ConfusionMatrix(CLASSES)
    state = merged(confusion, logits, targets, sizes)
    assert state.tolist() == sklearn_metrics.confusion_matrix(targets, logits.argmax(dim=1)).tolist()


def test_tables_of_the_confusion_matrix() -> None:
    logits, targets = classified()
    confusion = ConfusionMatrix(CLASSES)
    state = confusion.measure(logits, targets)
    per_class, matrix = confusion.tables(state)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(targets, logits.argmax(dim=1))
    assert per_class.columns == ("class", "examples", "precision", "recall", "F1")
    for row, expected in zip(per_class.rows, zip(support, precision, recall, f1, strict=True), strict=True):
        n, *shares = expected
        assert row[1:] == (str(n), *(f"{share:.4f}" for share in shares))
    assert [row[0] for row in per_class.rows] == list(CLASSES.names)
    assert matrix.columns == ("", *CLASSES.names)
    expected_rows = zip(CLASSES.names, state.tolist(), strict=True)
    assert matrix.rows == tuple((name, *map(str, row)) for name, row in expected_rows)


def test_a_share_of_nothing_is_a_dash() -> None:
    """No example is of the class cat and none is taken for a dog."""
    predicted, targets = torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 0, 3])
    confusion = ConfusionMatrix(CLASSES)
    per_class, _ = confusion.tables(confusion.measure(torch.eye(4)[predicted], targets))
    rows = {row[0]: row[1:4] for row in per_class.rows}
    assert rows["ant"] == ("2", "1.0000", "0.5000")
    assert rows["cat"] == ("0", "0.0000", "-")
    assert rows["dog"] == ("1", "-", "0.0000")
