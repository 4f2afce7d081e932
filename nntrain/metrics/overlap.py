"""How much of what is found lies where it is: intersection over union, of masks and of boxes."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from nntrain.boxes import overlaps
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.registry import metric
from nntrain.settings import Share
from nntrain.specs import ClassAndBox, Mask
from nntrain.tables import Table


@metric("mean_iou")
class MeanIou:
    """The intersection over union of each class's pixels, averaged over the classes.

    mean_iou = mean_c right_c / (taken_c + there_c - right_c), over the classes that are there or taken for there

    Of all pixels of all pictures together, without those IGNORED. Predictions z (batch, height, width, classes),
    targets y (batch, height, width); from 0 to 1. The table of each class is in `nntrain eval`.
    Source: Everingham et al., The PASCAL visual object classes challenge, 2010, section 4.3.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Mask) -> None:
        self._confusion = ConfusionMatrix(targets)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._confusion.measure(predictions, targets)

    def value(self, state: Tensor) -> float:
        shares = intersection_over_union(state)
        return float(shares[~shares.isnan()].mean())


def intersection_over_union(confusion: Tensor) -> Tensor:
    """Of each class of a matrix (true classes, predicted classes), float64; NaN where it is nowhere."""
    counts = confusion.double().cpu()
    right = counts.diagonal()
    return right / (counts.sum(dim=0) + counts.sum(dim=1) - right)


class Overlaps:
    """The intersection over union of each class, beside the share of its pixels that are found, and found rightly."""

    def __init__(self, targets: Mask) -> None:
        self._confusion = ConfusionMatrix(targets)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._confusion.measure(predictions, targets)

    def tables(self, state: Tensor) -> list[Table]:
        counts = state.double().cpu()
        right, taken, there = counts.diagonal(), counts.sum(dim=0), counts.sum(dim=1)
        figures = (there / counts.sum(), right / taken, right / there, intersection_over_union(counts))
        rows = zip(self._confusion.names, *(figure.tolist() for figure in figures), strict=True)
        columns = ("class", "share of pixels", "precision", "recall", "IoU")
        lines = tuple(
            (name, *(f"{share:.4f}" if not math.isnan(share) else "-" for share in row)) for name, *row in rows
        )
        return [Table("pixels per class", columns, lines)]


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


@metric("box_iou")
class BoxIou:
    """The intersection over union of the predicted and the true box, averaged over the examples.

    box_iou = 1/n sum_i |A_i and B_i| / |A_i or B_i|

    Of predictions and targets, mappings, the boxes (batch, 4): left, top, right, bottom; from 0 to 1.
    Source: Everingham et al., The PASCAL visual object classes challenge, 2010, section 4.2.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: ClassAndBox) -> None:
        pass

    def measure(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        found = overlaps(predictions["box"], targets["box"]).double()
        return torch.stack((found.sum(), torch.full_like(found.sum(), len(found))))

    def value(self, state: Tensor) -> float:
        total, count = state.tolist()
        return total / count


@metric("localization_error")
class LocalizationError:
    """The share of examples whose class is wrong, or whose box is not where the object is.

    localization_error = 1/n sum_i [argmax_c z_ic != y_i or iou_i <= iou]

    Of predictions and targets, mappings: the class's logits (batch, classes) and numbers (batch,), and the boxes
    (batch, 4); from 0 to 1.
    Source: Russakovsky et al., ImageNet large scale visual recognition challenge, 2015, arXiv:1409.0575, section 4.2
    (single-object localization, with one guess).

    Settings:
        iou: the intersection over union that a box must exceed
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: ClassAndBox, *, iou: Share = 0.5) -> None:
        self._iou = iou

    def measure(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        is_class = predictions["class"].argmax(dim=1) == targets["class"]
        is_right = is_class & (overlaps(predictions["box"], targets["box"]) > self._iou)
        return torch.stack(((~is_right).sum(), torch.full_like(is_right.sum(), len(is_right))))

    def value(self, state: Tensor) -> float:
        wrong, count = state.tolist()
        return wrong / count
