"""Intersection over union: by hand, and the same however a split is divided into batches."""

import pytest
import torch
from made import made

from nntrain.batch import IGNORED
from nntrain.metrics.overlap import Overlaps
from nntrain.specs import ClassAndBox, Mask

MASK, PLACED = Mask(("a", "b", "c")), ClassAndBox(("a", "b"), 10, 10)
# 2 x 3 pixels; what is taken for what: a 2 of 3, b 1 of 2, one pixel counts not.
TRUTH = torch.tensor([[[0, 0, 1], [1, IGNORED, 0]]])
TAKEN = torch.tensor([[[0, 0, 1], [0, 2, 1]]])


def logits(classes: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(classes, 3).float()


def test_mean_iou_by_hand() -> None:
    """a: 2 of 4 pixels that are it or taken for it; b: 1 of 3; c is nowhere, since its pixel is IGNORED."""
    metric = made("metric", "mean_iou", MASK)
    assert metric.value(metric.measure(logits(TAKEN), TRUTH)) == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert made("metric", "error_rate", MASK).value(
        made("metric", "error_rate", MASK).measure(logits(TAKEN), TRUTH)
    ) == pytest.approx(2 / 5)


def test_a_class_that_is_only_taken_for_there_counts_as_nothing_right() -> None:
    metric = made("metric", "mean_iou", MASK)
    truth, taken = torch.tensor([[[0, 0]]]), torch.tensor([[[0, 2]]])
    assert metric.value(metric.measure(logits(taken), truth)) == pytest.approx((1 / 2 + 0) / 2)


def test_mean_iou_does_not_depend_on_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, taken = torch.randint(3, (2, 20, 4, 5), generator=generator)
    metric = made("metric", "mean_iou", MASK)
    whole = metric.measure(logits(taken), truth)
    parts = [metric.measure(logits(t), y) for t, y in zip(taken.split(7), truth.split(7), strict=True)]
    assert torch.equal(sum(parts[1:], start=parts[0]), whole)
    by_pictures = [
        metric.value(metric.measure(logits(t), y)) for t, y in zip(taken.split(1), truth.split(1), strict=True)
    ]
    assert metric.value(whole) != pytest.approx(sum(by_pictures) / 20, abs=1e-4)


def test_the_table_of_classes() -> None:
    detail = Overlaps(MASK)
    (table,) = detail.tables(detail.measure(logits(TAKEN), TRUTH))
    assert table.columns == ("class", "share of pixels", "precision", "recall", "IoU")
    assert table.rows[0] == ("a", "0.6000", "0.6667", "0.6667", "0.5000")
    assert table.rows[1] == ("b", "0.4000", "0.5000", "0.5000", "0.3333")
    assert table.rows[2][2:] == ("-", "-", "-")


def test_boxes() -> None:
    """Right; a wrong class; the right class with a box that lies half beside."""
    truth = {"class": torch.tensor([0, 0, 1]), "box": torch.tensor([[0.0, 0, 4, 4]] * 3)}
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [2, 0, 6, 4]])
    found = {"class": torch.tensor([[2.0, 0], [0, 2], [0, 2]]), "box": boxes}
    iou, error = made("metric", "box_iou", PLACED), made("metric", "localization_error", PLACED)
    assert iou.value(iou.measure(found, truth)) == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert error.value(error.measure(found, truth)) == pytest.approx(2 / 3)
    lenient = made("metric", {"type": "localization_error", "iou": 0.3}, PLACED)
    assert lenient.value(lenient.measure(found, truth)) == pytest.approx(1 / 3)
    assert iou.value(iou.measure(found, truth) + iou.measure(found, truth)) == pytest.approx(7 / 9)
