"""How well objects are found in pictures, as the COCO challenge measures it."""

import math
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
import torch

from nntrain.batch import Detections, Objects, count, each
from nntrain.registry import metric
from nntrain.run_lengths import encoded
from nntrain.specs import Boxes, Instances

MOST = 100  # detections of each class that count in a picture, those with the highest scores
OVERLAPS = tuple(np.linspace(0.5, 0.95, 10).tolist())
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
        return Pictures(_entries(targets, self._by_masks), _entries(predictions, self._by_masks))

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
        precision = evaluation.eval[
            "precision"
        ]  # (overlaps, recalls, classes, 1, 1), -1 for classes that are not there
        known = precision[precision >= 0]
        return float(known.mean()) if known.size else math.nan

    def _set(self, pictures: Sequence[Sequence[Entry]]) -> Any:
        """The objects as the set that pycocotools measures; it takes a number 0 for none."""
        from pycocotools.coco import COCO

        rows = [(number, entry) for number, entries in enumerate(pictures, start=1) for entry in entries]
        found = COCO()
        found.dataset = {
            "images": [{"id": number, "height": 0, "width": 0} for number in range(1, len(pictures) + 1)],
            "categories": [{"id": number} for number in range(self._classes)],
            "annotations": [{"id": i, "image_id": n, **entry} for i, (n, entry) in enumerate(rows, start=1)],
        }
        found.createIndex()
        return found


def _entries(objects: Objects | Detections, by_masks: bool) -> tuple[list[Entry], ...]:
    """The objects of each picture."""
    here = each(lambda part: part.cpu(), objects)
    return tuple(_of_picture(each(itemgetter(i), here), by_masks) for i in range(count(here)))


def _of_picture(objects: Objects | Detections, by_masks: bool) -> list[Entry]:
    there = objects.are_there
    boxes, labels = objects.boxes[there], objects.labels[there]
    sizes = boxes[:, 2:] - boxes[:, :2]
    columns: dict[str, list[Any]] = {
        "category_id": labels.tolist(),
        "bbox": torch.cat((boxes[:, :2], sizes), dim=1).tolist(),
        "area": sizes.prod(dim=1).tolist(),
    }
    if isinstance(objects, Detections):
        columns["score"] = objects.scores[there].tolist()
    else:
        columns["iscrowd"] = objects.crowds[there].int().tolist()
    if by_masks:
        assert objects.masks is not None
        columns["segmentation"] = encoded(objects.masks[there])
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


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

    map_50 = 1/classes sum_c AP_c(0.5)

    Source: Everingham et al., The Pascal visual object classes challenge, 2010; as pycocotools' AP50.
    """
    return AveragePrecisions(len(targets), [0.5], by_masks=False)


@metric("mask_map")
def mask_mean_average_precision(targets: Instances) -> AveragePrecisions:
    """As map, with the overlap of masks in place of boxes.

    mask_map = 1/10 sum_t 1/classes sum_c AP_c(t),  t = 0.5, 0.55, ..., 0.95

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312; as pycocotools' AP.
    """
    return AveragePrecisions(len(targets), OVERLAPS, by_masks=True)


@metric("mask_map_50")
def mask_mean_average_precision_50(targets: Instances) -> AveragePrecisions:
    """As mask_map, of masks that overlap by half or more.

    mask_map_50 = 1/classes sum_c AP_c(0.5)

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312; as pycocotools' AP50.
    """
    return AveragePrecisions(len(targets), [0.5], by_masks=True)
