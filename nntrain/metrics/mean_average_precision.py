"""How well objects are found in pictures, as the COCO challenge measures it."""

import math
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from nntrain.batch import Detections, Objects
from nntrain.registry import metric
from nntrain.run_lengths import encoded
from nntrain.specs import Boxes, Instances

MOST = 100  # detections of each class that count in a picture, those with the highest scores
LIKELY = 0.5  # how likely a pixel is to be an object's that is taken to be in its mask
OVERLAPS = np.linspace(0.5, 0.95, 10)
Entry = dict[str, Any]  # an object, as COCO's files describe it


@dataclass(frozen=True)
class Pictures:
    """The objects that are there, and those that were found, of each picture; states merge one behind the other."""

    there: tuple[Sequence[Entry], ...]
    found: tuple[Sequence[Entry], ...]

    def __add__(self, other: "Pictures") -> "Pictures":
        return Pictures(self.there + other.there, self.found + other.found)


class AveragePrecisions:
    """The mean over classes and over overlaps of the average precision."""

    better: ClassVar[str] = "higher"

    def __init__(self, classes: int, overlaps: Sequence[float], by_masks: bool) -> None:
        self._classes = classes
        self._overlaps = np.array(overlaps)
        self._by_masks = by_masks

    def measure(self, predictions: Detections, targets: Objects) -> Pictures:
        found, there = predictions, targets
        scores = _rows(found.scores, found.labels >= 0)
        crowds = _rows(there.crowds, there.are_there)
        return Pictures(
            self._entries(there.boxes, there.labels, there.are_there, there.masks, "iscrowd", crowds),
            self._entries(found.boxes, found.labels, found.labels >= 0, found.masks, "score", scores),
        )

    def value(self, state: Pictures) -> float:
        """By pycocotools; not a number where nothing is there."""
        from pycocotools.cocoeval import COCOeval

        with redirect_stdout(StringIO()):  # it says how it is going
            evaluation = COCOeval(self._set(state.there), self._set(state.found), "segm" if self._by_masks else "bbox")
            evaluation.params.iouThrs = self._overlaps
            evaluation.params.maxDets = [MOST]
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, math.inf]], ["all"]
            evaluation.evaluate()
            evaluation.accumulate()
        precision = evaluation.eval["precision"]  # (overlaps, recalls, classes, 1, 1), -1 for classes that are not there
        known = precision[precision >= 0]
        return float(known.mean()) if known.size else math.nan

    def _entries(
        self, boxes: Tensor, labels: Tensor, are_there: Tensor, masks: Tensor | None, key: str, values: list[list[Any]]
    ) -> tuple[list[Entry], ...]:
        """The objects of each picture; `values` are what each has by the name `key`."""
        sizes = boxes[..., 2:] - boxes[..., :2]
        corners = _rows(boxes[..., :2], are_there)
        parts = [corners, _rows(sizes, are_there), _rows(labels, are_there), values]
        if self._by_masks:
            assert masks is not None
            likely = masks if masks.dtype.is_floating_point is False else masks > LIKELY
            parts.append([encoded(some) for some in _split(likely, are_there)])
        names = ("segmentation",) if self._by_masks else ()
        pictures = []
        for rows in zip(*parts, strict=True):
            found = []
            for corner, size, label, value, *outline in zip(*rows, strict=True):
                area = size[0] * size[1]
                entry = {"bbox": [*corner, *size], "area": area, "category_id": label, key: value}
                found.append({**entry, "iscrowd": int(entry.get("iscrowd", 0)), **dict(zip(names, outline, strict=True))})
            pictures.append(found)
        return tuple(pictures)

    def _set(self, pictures: Sequence[Sequence[Entry]]) -> Any:
        """The objects as the set that pycocotools measures; it takes a number 0 for none."""
        from pycocotools.coco import COCO

        rows = [(number, entry) for number, entries in enumerate(pictures, start=1) for entry in entries]
        found = COCO()
        found.dataset = {
            "images": [{"id": number} for number in range(1, len(pictures) + 1)],
            "categories": [{"id": number} for number in range(self._classes)],
            "annotations": [{"id": i, "image_id": n, **entry} for i, (n, entry) in enumerate(rows, start=1)],
        }
        found.createIndex()
        return found


def _split(values: Tensor, are_there: Tensor) -> list[Tensor]:
    """Of each picture the rows that hold an object."""
    return [rows[there] for rows, there in zip(values.cpu(), are_there.cpu(), strict=True)]


def _rows(values: Tensor, are_there: Tensor) -> list[list[Any]]:
    return [rows.tolist() for rows in _split(values, are_there)]


@metric("map")
def mean_average_precision(targets: Boxes | Instances) -> AveragePrecisions:
    """The area under precision by recall of the boxes that are found: its mean over overlaps and classes.

    map = 1/10 sum_t 1/classes sum_c AP_c(t),  t = 0.5, 0.55, ..., 0.95,  AP = 1/101 sum_r max_{r' >= r} P(r')

    A detection is right where its overlap (intersection over union) with an object of its class, one that no surer
    detection took, is at least t; recalls r are 0, 0.01, ..., 1. Of each picture the 100 surest detections of each
    class count; a crowd may be found or not. From 0 to 1; classes of which nothing is there are left out.
    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312; as pycocotools' AP.
    """
    return AveragePrecisions(len(targets), OVERLAPS, by_masks=False)


@metric("map_50")
def mean_average_precision_50(targets: Boxes | Instances) -> AveragePrecisions:
    """As map, of boxes that overlap by half or more: where an object is found, if not its edges.

    Source: Everingham et al., The Pascal visual object classes challenge, 2010; as pycocotools' AP50.
    """
    return AveragePrecisions(len(targets), [0.5], by_masks=False)


@metric("mask_map")
def mask_mean_average_precision(targets: Instances) -> AveragePrecisions:
    """As map, with the overlap of masks in place of boxes.

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312; as pycocotools' AP.
    """
    return AveragePrecisions(len(targets), OVERLAPS, by_masks=True)


@metric("mask_map_50")
def mask_mean_average_precision_50(targets: Instances) -> AveragePrecisions:
    """As mask_map, of masks that overlap by half or more.

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312; as pycocotools' AP50.
    """
    return AveragePrecisions(len(targets), [0.5], by_masks=True)
