"""Mean average precision: cases worked out by hand, a slow version of its formula, batches of any size."""

import math
from operator import itemgetter

import pytest
import torch
from made import made
from torch import Tensor

from nntrain.batch import IGNORED, Detections, Objects, each
from nntrain.specs import Boxes, Instances

ONE, THREE = Instances(("thing",), 9), Instances(("a", "b", "c"), 9)
Row = tuple[list[float], int, float]  # box, class, score


def objects(*pictures: list[tuple[list[float], int]], crowds: tuple[tuple[int, int], ...] = ()) -> Objects:
    """Pictures with boxes and classes; `crowds` are (picture, row)."""
    most = max(len(picture) for picture in pictures)
    boxes, labels = torch.zeros(len(pictures), most, 4), torch.full((len(pictures), most), IGNORED)
    for i, picture in enumerate(pictures):
        for j, (box, label) in enumerate(picture):
            boxes[i, j], labels[i, j] = torch.tensor(box), label
    is_crowd = torch.zeros_like(labels, dtype=torch.bool)
    for place in crowds:
        is_crowd[place] = True
    return Objects(boxes, labels, is_crowd, torch.full((len(pictures), 2), 100), _filled(boxes))


def found(*pictures: list[Row]) -> Detections:
    plain = objects(*[[(box, label) for box, label, _ in picture] for picture in pictures])
    scores = torch.zeros(plain.labels.shape)
    for i, picture in enumerate(pictures):
        for j, (_, _, score) in enumerate(picture):
            scores[i, j] = score
    return Detections(plain.boxes, plain.labels, scores, plain.masks)


def _filled(boxes: Tensor) -> Tensor:
    places = torch.arange(100) + 0.5
    left, top, right, bottom = boxes.unsqueeze(-1).unbind(-2)
    across, down = (places > left) & (places < right), (places > top) & (places < bottom)
    return down.unsqueeze(-1) & across.unsqueeze(-2)


def value(name: str, predictions: Detections, targets: Objects, spec: Instances | Boxes = ONE) -> float:
    metric = made("metric", name, spec)
    return metric.value(metric.measure(predictions, targets))


HERE, THERE, NOWHERE = [10.0, 10, 30, 30], [50.0, 50, 70, 70], [80.0, 10, 90, 20]
BOTH = objects([(HERE, 0), (THERE, 0)])


@pytest.mark.parametrize("name", ["map", "map_50", "mask_map", "mask_map_50"])
def test_perfect_boxes_have_1_and_none_have_0(name: str) -> None:
    assert value(name, found([(HERE, 0, 0.9), (THERE, 0, 0.2)]), BOTH) == pytest.approx(1)
    assert value(name, found([(NOWHERE, 0, 0.9)]), BOTH) == 0
    assert value(name, found([]), objects([(HERE, 0)])) == 0


def test_precision_is_that_of_the_101_recalls_below_each_point() -> None:
    """Right, wrong, right: precision 1 up to recall 0.5, which are 51 points, then 2/3 at the other 50."""
    ranked = found([(HERE, 0, 0.9), (NOWHERE, 0, 0.8), (THERE, 0, 0.7)])
    assert value("map_50", ranked, BOTH) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_what_is_found_twice_is_wrong_the_second_time() -> None:
    twice = found([(HERE, 0, 0.9), (HERE, 0, 0.8), (THERE, 0, 0.7)])
    assert value("map_50", twice, BOTH) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_half_of_what_is_there_ends_at_recall_one_half() -> None:
    assert value("map_50", found([(HERE, 0, 0.9)]), BOTH) == pytest.approx(51 / 101)


def test_map_is_the_mean_over_overlaps() -> None:
    """Boxes of 20x20 and 20x13 pixels overlap by 0.65 (kept just above it): right at 0.5, 0.55, 0.6 and 0.65 of ten."""
    narrow = found([([10.0, 10, 30, 23.01], 0, 0.9)])
    assert value("map", narrow, objects([(HERE, 0)])) == pytest.approx(0.4)
    assert value("map_50", narrow, objects([(HERE, 0)])) == pytest.approx(1)


def test_the_mean_over_classes_leaves_out_those_that_are_not_there() -> None:
    there = objects([(HERE, 0), (THERE, 2)])
    assert value("map_50", found([(HERE, 0, 0.9), (NOWHERE, 1, 0.9)]), there, THREE) == pytest.approx(0.5)
    assert math.isnan(value("map_50", found([(HERE, 0, 0.9)]), objects([], []), THREE))


def test_a_box_of_the_wrong_class_or_in_another_picture_is_wrong() -> None:
    assert value("map_50", found([(HERE, 1, 0.9)]), objects([(HERE, 0)]), THREE) == 0
    assert value("map_50", found([], [(HERE, 0, 0.9)]), objects([(HERE, 0)], [])) == 0


def test_a_crowd_need_not_be_found_but_may_be_more_than_once() -> None:
    there = objects([(HERE, 0), ([40.0, 40, 90, 90], 0)], crowds=((0, 1),))
    assert value("map_50", found([(HERE, 0, 0.9)]), there) == pytest.approx(1)
    inside = [([45.0 + i, 45, 60, 60], 0, 0.95) for i in range(2)]
    assert value("map_50", found([*inside, (HERE, 0, 0.9)]), there) == pytest.approx(1)


def test_masks_are_compared_where_boxes_are_the_same() -> None:
    there = objects([(HERE, 0)])
    half = found([(HERE, 0, 0.9)])
    masks = there.masks.clone()
    masks[..., 20:, :] = False  # the lower half
    half = half._replace(masks=masks)
    assert value("map", half, there) == pytest.approx(1)
    assert value("mask_map", half, there) == pytest.approx(0.1)  # the overlap is 0.5: right at the first of ten


def test_at_most_100_of_a_picture_count() -> None:
    wrong = [([float(i % 50), 0.0, i % 50 + 1.0, 1.0], 0, 0.9 - i / 1000) for i in range(100)]
    assert value("map_50", found([*wrong, (HERE, 0, 0.01)]), objects([(HERE, 0)])) == 0
    assert value("map_50", found([*wrong[:99], (HERE, 0, 0.01)]), objects([(HERE, 0)])) == pytest.approx(1 / 100)


def random_case(seed: int, pictures: int = 12) -> tuple[Detections, Objects]:
    """Objects of three classes, and detections that are those moved a little, doubled, or made up."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    there, seen = [], []
    for _ in range(pictures):
        rows, guesses = [], []
        for _ in range(int(drawn(0, 6))):
            left, top = drawn(0, 60), drawn(0, 60)
            box, label = [left, top, left + drawn(5, 35), top + drawn(5, 35)], int(drawn(0, 3))
            rows.append((box, label))
            guesses += [([edge + drawn(-3, 3) for edge in box], label, drawn(0, 1)) for _ in range(int(drawn(0, 2.5)))]
        guesses += [([1.0, 1, 20, drawn(5, 40)], int(drawn(0, 3)), drawn(0, 1)) for _ in range(int(drawn(0, 2)))]
        there.append(rows)
        seen.append(guesses)
    return found(*seen), objects(*there)


def slowly(predictions: Detections, targets: Objects, overlap: float) -> float:
    """The formula, a detection at a time."""
    by_class = []
    for c in range(3):
        total = int((targets.labels == c).sum())
        ranked = [(float(predictions.scores[i, j]), i, j) for i, j in (predictions.labels == c).nonzero().tolist()]
        taken: set[tuple[int, int]] = set()
        right = []
        for _, i, j in sorted(ranked, key=lambda rank: -rank[0]):
            free = [k for k in (targets.labels[i] == c).nonzero().flatten().tolist() if (i, k) not in taken]
            shares = {k: share(predictions.boxes[i, j].tolist(), targets.boxes[i, k].tolist()) for k in free}
            nearest = max(shares, key=shares.__getitem__, default=None)
            is_right = nearest is not None and shares[nearest] >= overlap
            if is_right:
                taken.add((i, nearest))
            right.append(is_right)
        if not total:
            continue
        points = []
        for n in range(1, len(right) + 1):
            points.append((sum(right[:n]) / total, sum(right[:n]) / n))
        wanted = [r / 100 for r in range(101)]
        by_class.append(sum(max((p for r, p in points if r >= w - 1e-12), default=0.0) for w in wanted) / 101)
    return sum(by_class) / len(by_class)


def share(one: list[float], other: list[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)


@pytest.mark.parametrize("seed", range(3))
def test_as_the_formula_says_detection_by_detection(seed: int) -> None:
    predictions, targets = random_case(seed)
    expected = slowly(predictions, targets, 0.5)
    assert 0.1 < expected < 0.95
    assert value("map_50", predictions, targets, THREE) == pytest.approx(expected, abs=1e-6)
    overlaps = [0.5 + 0.05 * i for i in range(10)]
    mean = sum(slowly(predictions, targets, overlap) for overlap in overlaps) / 10
    assert value("map", predictions, targets, THREE) == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("name", ["map", "mask_map_50"])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_the_same_for_any_batch_size(name: str, size: int) -> None:
    predictions, targets = random_case(7)
    metric = made("metric", name, THREE)
    whole = metric.value(metric.measure(predictions, targets))
    state = None
    for start in range(0, 12, size):
        part = itemgetter(slice(start, start + size))
        measured = metric.measure(each(part, predictions), each(part, targets))
        state = measured if state is None else state + measured
    assert metric.value(state) == whole
