"""Rules on the inputs' statistics: their scale, train and dev prepared alike, a feature that tells the label."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import Batch
from nntrain.preflight.examples import by_example, by_feature
from nntrain.preflight.finding import Finding, applicable
from nntrain.specs import Classes, Several, Targets, Values

LARGEST = 20.0  # of an input, and of a feature's deviation
FAR_SHARE = 0.01  # of the inputs that may be larger
OFF_CENTRE = 3.0  # deviations between the mean of all inputs and 0
SPREAD = 100.0  # between the deviations of two features
SHIFT = 0.5  # training deviations between a feature's means in train and dev
RATIO = 2.0  # between a feature's deviations in train and dev
LARGE = 100  # examples from which on a shift is no chance
TELLING = 0.98  # r^2 between a feature and the label
FEW = 1000  # numbers of a feature
FEWEST = 30  # examples that a correlation is taken of
FEWEST_OF_CLASS = 5  # examples, of a class that a feature may tell from the others


@dataclass(frozen=True)
class Features:
    """Real numbers by feature (times, features), without features that are constant or only ever 0 or 1."""

    values: Tensor
    numbers: list[int]  # which features they are
    examples: int

    @classmethod
    def of(cls, batches: Sequence[Batch], numbers: list[int] | None = None) -> "Features | None":
        """Of some examples; None where there are no such features, fewer than two numbers, or not finite ones."""
        parts = [part for batch in batches if (part := by_feature(batch.inputs)) is not None]
        values = torch.cat(parts).double() if parts else torch.empty(0)
        if len(values) < 2 or not math.isfinite(float(values.sum())):
            return None
        if numbers is None:
            numbers = _changing(values)
        examples = sum(batch.examples for batch in batches)
        chosen = values if len(numbers) == values.shape[1] else values[:, numbers]
        return cls(chosen, numbers, examples) if numbers else None

    @cached_property
    def deviations(self) -> Tensor:
        return self.values.std(dim=0)

    @property
    def widest(self) -> int:
        """The feature with the largest deviation."""
        return self.numbers[int(self.deviations.argmax())]


def input_scale(train: Features, plain: Mapping[str, Any]) -> Iterator[Finding]:
    """Inputs are numbers around 0 of a size around 1."""
    mean, deviation = float(train.values.mean()), float(train.values.std())
    largest = float(train.deviations.max())
    reached = float(torch.stack(train.values.aminmax()).abs().max())
    far = float((train.values.abs() > LARGEST).double().mean()) if reached > LARGEST else 0.0
    if far > FAR_SHARE or largest > LARGEST:
        seen = f"inputs reach {reached:.4g}, {far:.0%} of them are beyond {LARGEST:g}, "
        seen += f"and a feature's deviation is {largest:.4g} (at most {LARGEST:g})"
    elif abs(mean) > OFF_CENTRE * deviation:
        seen = f"the mean of the inputs is {mean:.4g}, {abs(mean) / deviation:.1f} of their deviations from 0 "
        seen += f"(at most {OFF_CENTRE:g})"
    else:
        return
    yield Finding(
        "input_scale",
        "alarm",
        seen,
        {"split": "train", "feature": train.widest},
        ("inputs that are not standardised", "a wrong unit or scale"),
        applicable(plain, "data.standardize=true"),
    )


def feature_scales(train: Features, plain: Mapping[str, Any]) -> Iterator[Finding]:
    """Features have deviations of one order."""
    smallest, largest = float(train.deviations.min()), float(train.deviations.max())
    if largest > SPREAD * smallest:
        yield Finding(
            "feature_scales",
            "remark",
            f"the features' deviations are from {smallest:.3g} to {largest:.3g} (at most {SPREAD:g} times apart)",
            {"split": "train", "feature": train.widest},
            ("features that were never standardised", "a feature that hardly ever changes"),
            applicable(plain, "data.standardize=true"),
        )


def prepared_alike(train: Features, dev: Features, plain: Mapping[str, Any]) -> Iterator[Finding]:
    """The median feature has the same mean and deviation in train and dev, as far as chance allows."""
    shifts = (dev.values.mean(dim=0) - train.values.mean(dim=0)).abs() / train.deviations
    shift, ratio = float(shifts.median()), float((dev.deviations / train.deviations).median())
    if _are_alike(shift, ratio, 0.0):
        return
    fewest = min(train.examples, dev.examples)
    may_be_chance = fewest < LARGE and _are_alike(shift, ratio, 3 / math.sqrt(fewest))
    yield Finding(
        "prepared_alike",
        "remark" if may_be_chance else "alarm",
        f"train and dev inputs differ: in the dev set the median feature's mean is {shift:.2g} training deviations "
        f"away (at most {SHIFT:g}), its deviation {ratio:.2g} times that of training (1/{RATIO:g} to {RATIO:g})",
        {"split": "dev", "feature": train.numbers[int(shifts.argmax())]},
        ("train and dev inputs that are prepared differently", "a dev set of another time or place", "a small dev set"),
        applicable(plain, "data.split.seed=1", "data.split.seed=2", "data.standardize=false"),
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
    inputs = torch.cat([value.reshape(len(value), -1) for value in values if value is not None]).double()
    # What is told has mean 0, so that the inputs' means do not matter.
    correlation = (inputs.T @ _normalised(told) / _spread(inputs)[:, None]).square() / (len(told) - 1) ** 2
    most = correlation.max(dim=1).values
    if float(most.max()) > TELLING:
        feature = int(most.argmax())
        place = torch.unravel_index(torch.tensor(feature), shape)
        yield Finding(
            "leaking_feature",
            "alarm",
            f"one feature tells the target: r2 {float(most[feature]):.3f} (at most {TELLING})",
            {"split": "train", "feature": int(place[0]) if len(place) == 1 else [int(i) for i in place]},
            ("a feature that was made from the target", "a feature that is known only afterwards"),
            applicable(plain, "model=linear") if len(place) == 1 else (),
            verb="fit",
        )


def different(batches: Sequence[Batch]) -> float:
    """How many different inputs there can be, by the values that each number of an example takes in these."""
    values = [by_example(batch.inputs) for batch in batches]
    shapes = {value.shape[1:] for value in values if value is not None}
    if len(shapes) != 1:
        return math.inf
    columns = torch.cat([value.reshape(len(value), -1) for value in values if value is not None]).sort(dim=0).values
    taken = 1 + (columns[1:] != columns[:-1]).sum(dim=0)
    return float(taken.double().prod())


def _told(batches: Sequence[Batch], targets: Targets) -> Tensor | None:
    """What a feature might tell (examples, ...): values, the class's number, and being of each class."""
    if not isinstance(targets, Values | Several | Classes):
        return None
    labels = torch.cat([batch.targets for batch in batches])
    if not isinstance(targets, Classes):
        return labels.double()
    if not bool(((labels >= 0) & (labels < len(targets))).all()):
        return None
    is_of = F.one_hot(labels, len(targets)).double()
    return torch.cat((labels[:, None].double(), is_of[:, is_of.sum(dim=0) >= FEWEST_OF_CLASS]), dim=1)


def _changing(values: Tensor) -> list[int]:
    """The features that are neither constant nor only ever 0 or 1, which most show in their first few numbers."""
    are_dull = _are_dull(values[:FEW])
    some = are_dull.nonzero().flatten()
    are_dull[some] = _are_dull(values[:, some])
    return (~are_dull).nonzero().flatten().tolist()


def _are_dull(values: Tensor) -> Tensor:
    return (values == values[:1]).all(dim=0) | ((values == 0) | (values == 1)).all(dim=0)


def _normalised(columns: Tensor) -> Tensor:
    return (columns - columns.mean(dim=0)) / _spread(columns)


def _spread(columns: Tensor) -> Tensor:
    """The deviation of each; infinity where it is none."""
    deviation = columns.std(dim=0)
    return torch.where(deviation > 0, deviation, torch.inf)
