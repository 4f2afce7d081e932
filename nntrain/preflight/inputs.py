"""Rules on the inputs' statistics: their scale, train and dev prepared alike, a feature that tells the label."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import Batch
from nntrain.preflight.examples import by_example, by_feature
from nntrain.preflight.finding import Finding, applicable
from nntrain.specs import Classes, Targets, Values

LARGEST = 20.0  # of an input, and of a feature's deviation
FAR_SHARE = 0.01  # of the inputs that may be larger
OFF_CENTRE = 3.0  # deviations between the mean of all inputs and 0
SPREAD = 100.0  # between the deviations of two features
SHIFT = 0.5  # training deviations between a feature's means in train and dev
RATIO = 2.0  # between a feature's deviations in train and dev
LARGE = 100  # examples from which on a shift is no chance
TELLING = 0.98  # r^2 between a feature and the label
FEWEST = 30  # examples that a correlation is taken of


def input_scale(train: Sequence[Batch], plain: Mapping[str, Any]) -> Iterator[Finding]:
    """Inputs are numbers around 0 of a size around 1; features that are 0 or 1 are left alone."""
    features = _Features.of(train)
    if features is None:
        return
    mean, deviation = float(features.values.mean()), float(features.values.std())
    largest, feature = features.largest_deviation()
    far = float((features.values.abs() > LARGEST).float().mean())
    if far > FAR_SHARE or largest > LARGEST:
        seen = f"inputs reach {float(features.values.abs().max()):.4g}, {far:.0%} of them are beyond {LARGEST:g}, "
        seen += f"and a feature's deviation is {largest:.4g} (at most {LARGEST:g})"
    elif deviation > 0 and abs(mean) > OFF_CENTRE * deviation:
        seen = f"the mean of the inputs is {mean:.4g}, {abs(mean) / deviation:.1f} of their deviations from 0 "
        seen += f"(at most {OFF_CENTRE:g})"
    else:
        return
    yield Finding(
        "input_scale",
        "alarm",
        seen,
        {"split": "train", "feature": feature},
        ("inputs that are not standardised", "a wrong unit or scale"),
        applicable(plain, "data.standardize=true"),
    )


def feature_scales(train: Sequence[Batch], plain: Mapping[str, Any]) -> Iterator[Finding]:
    """Features have deviations of one order."""
    features = _Features.of(train)
    if features is None:
        return
    smallest = float(features.values.std(dim=0).min())
    largest, feature = features.largest_deviation()
    if largest > SPREAD * smallest:
        yield Finding(
            "feature_scales",
            "remark",
            f"the features' deviations are from {smallest:.3g} to {largest:.3g} (at most {SPREAD:g} times apart)",
            {"split": "train", "feature": feature},
            ("features that were never standardised", "a feature that hardly ever changes"),
            applicable(plain, "data.standardize=true"),
        )


def prepared_alike(train: Sequence[Batch], dev: Sequence[Batch], plain: Mapping[str, Any]) -> Iterator[Finding]:
    """The median feature has the same mean and deviation in train and dev, as far as chance allows."""
    features = _Features.of(train)
    theirs = features.same_of(dev) if features else None
    if features is None or theirs is None:
        return
    ours = features.values
    shifts = (theirs.mean(dim=0) - ours.mean(dim=0)).abs() / ours.std(dim=0)
    shift, ratio = float(shifts.median()), float((theirs.std(dim=0) / ours.std(dim=0)).median())
    if _are_alike(shift, ratio, 0.0):
        return
    fewest = min(sum(len(batch.targets) for batch in batches) for batches in (train, dev))
    may_be_chance = fewest < LARGE and _are_alike(shift, ratio, 3 / math.sqrt(fewest))
    yield Finding(
        "prepared_alike",
        "remark" if may_be_chance else "alarm",
        f"train and dev inputs differ: in the dev set the median feature's mean is {shift:.2g} training deviations "
        f"away (at most {SHIFT:g}), its deviation {ratio:.2g} times that of training (1/{RATIO:g} to {RATIO:g})",
        {"split": "dev", "feature": features.numbers[int(shifts.argmax())]},
        ("train and dev inputs that are prepared differently", "a dev set of another time or place", "a small dev set"),
        applicable(plain, "data.split.seed=1", "data.standardize=false"),
    )


def _are_alike(shift: float, ratio: float, chance: float) -> bool:
    widest = RATIO * (1 + chance)
    return shift <= SHIFT + chance and 1 / widest <= ratio <= widest


def leaking_feature(train: Sequence[Batch], targets: Targets, plain: Mapping[str, Any]) -> Iterator[Finding]:
    """No single feature tells the label: r^2 with the label, or with being of one class, is at most 0.98."""
    told = _told(train, targets)
    values = [by_example(batch.inputs) for batch in train]
    shapes = {value.shape[1:] for value in values if value is not None}
    if told is None or len(told) < FEWEST or len(shapes) != 1:
        return
    (shape,) = shapes
    inputs = torch.cat([value.flatten(1) for value in values if value is not None]).double()
    correlation = (_normalised(inputs).T @ _normalised(told)).square() / (len(told) - 1) ** 2
    most = correlation.max(dim=1).values
    if float(most.max()) > TELLING:
        feature = int(most.argmax())
        place = torch.unravel_index(torch.tensor(feature), shape)
        yield Finding(
            "leaking_feature",
            "alarm",
            f"one feature tells the target: r2 {float(most[feature]):.3f} (at most {TELLING})",
            {"split": "train", "feature": int(place[0]) if len(place) == 1 else [int(i) for i in place]},
            ("a feature that was made from the target", "a feature that is only known afterwards"),
            applicable(plain, "model=linear"),
        )


@dataclass(frozen=True)
class _Features:
    """Real numbers by feature (times, features), without features that are constant or only ever 0 or 1."""

    values: Tensor
    numbers: list[int]  # which features they are

    @classmethod
    def of(cls, batches: Sequence[Batch]) -> "_Features | None":
        values = _by_feature(batches)
        if values is None:
            return None
        are_numbers = (values.std(dim=0) > 0) & ~((values == 0) | (values == 1)).all(dim=0)
        return cls(values[:, are_numbers], are_numbers.nonzero().flatten().tolist()) if are_numbers.any() else None

    def same_of(self, batches: Sequence[Batch]) -> Tensor | None:
        """These features of other examples."""
        values = _by_feature(batches)
        return None if values is None else values[:, self.numbers]

    def largest_deviation(self) -> tuple[float, int]:
        """The largest deviation of a feature, and which feature's it is."""
        deviations = self.values.std(dim=0)
        return float(deviations.max()), self.numbers[int(deviations.argmax())]


def _by_feature(batches: Sequence[Batch]) -> Tensor | None:
    """All numbers by feature; None where there are none, fewer than two, or some that are not finite."""
    parts = [part for batch in batches if (part := by_feature(batch.inputs)) is not None]
    values = torch.cat(parts).double() if parts else torch.empty(0)
    return values if len(values) > 1 and bool(torch.isfinite(values).all()) else None


def _told(batches: Sequence[Batch], targets: Targets) -> Tensor | None:
    """What a feature might tell (examples, ...): values, the class's number, and being of each class."""
    labels = torch.cat([batch.targets for batch in batches])
    if isinstance(targets, Values):
        return labels.double()
    if not isinstance(targets, Classes) or not bool(((labels >= 0) & (labels < len(targets))).all()):
        return None
    return torch.cat((labels[:, None].double(), F.one_hot(labels, len(targets)).double()), dim=1)


def _normalised(columns: Tensor) -> Tensor:
    deviation = columns.std(dim=0)
    return (columns - columns.mean(dim=0)) / torch.where(deviation > 0, deviation, torch.inf)
