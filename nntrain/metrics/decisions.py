"""Precision, recall and F1: how far what is taken for something is it, and is found."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.errors import UnfitError
from nntrain.registry import metric
from nntrain.specs import Classes, LabelSet, Tags
from nntrain.suggest import did_you_mean
from nntrain.tables import Table


class Decisions:
    """Counts, for each class or label, of what is right, what was taken for it, and what is it: (3, classes).

    A decision is the most likely class, or for a label that its logit is positive.
    """

    def __init__(self, targets: Classes | Tags | LabelSet, of: str) -> None:
        choices = ["macro", "micro", *targets.names]
        if of not in choices:
            raise UnfitError(f"there is no class or label '{of}'; {did_you_mean(of, choices)}", "of")
        self._are_labels = isinstance(targets, LabelSet)
        self._classes = len(targets)
        self._of = of
        self._chosen = None if of in ("macro", "micro") else targets.names.index(of)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        known = targets != IGNORED
        if self._are_labels:
            found, there = (predictions > 0) & known, targets == 1
            return torch.stack([part.sum(dim=0) for part in (found & there, found, there)])
        found, there = predictions.argmax(dim=-1)[known], targets[known]
        parts = (there[found == there], found, there)
        return torch.stack([torch.bincount(part, minlength=self._classes) for part in parts])

    def average(self, above: Tensor, below: Tensor, occurs: Tensor) -> float:
        """The mean of the shares above / below (0 of nothing) over what occurs, or the one share that is asked for."""
        if self._chosen is not None:
            above, below = above[self._chosen], below[self._chosen]
        elif self._of == "micro":
            above, below = above.sum(), below.sum()
        else:
            above, below = above[occurs], below[occurs]
        shares = above.double() / below.clamp(min=1)
        return float(shares.mean()) if shares.numel() else math.nan


@metric("precision")
class Precision:
    """The share of what is taken for a class, or given a label, that is right.

    precision = right / taken for it; macro: its mean over the classes or labels that occur, right or taken for

    Of nothing taken for it, 0. Predictions are logits (batch, [time,] classes), or (batch, labels) and then positive
    for a label; targets without those IGNORED. From 0 to 1.
    Source: as sklearn.metrics.precision_score.

    Settings:
        of: macro for the mean over all, micro for all decisions together, or the name of a class or label
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Classes | Tags | LabelSet, *, of: str = "macro") -> None:
        self._decisions = Decisions(targets, of)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._decisions.measure(predictions, targets)

    def value(self, state: Tensor) -> float:
        right, taken, there = state.cpu()
        return self._decisions.average(right, taken, taken + there > 0)


@metric("recall")
class Recall:
    """The share of what is of a class, or has a label, that is found.

    recall = right / is it; macro: its mean over the classes or labels that occur, right or taken for

    Of what never occurs but is taken for, 0. Predictions and targets as for precision; from 0 to 1.
    Source: as sklearn.metrics.recall_score.

    Settings:
        of: macro for the mean over all, micro for all decisions together, or the name of a class or label
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Classes | Tags | LabelSet, *, of: str = "macro") -> None:
        self._decisions = Decisions(targets, of)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._decisions.measure(predictions, targets)

    def value(self, state: Tensor) -> float:
        right, taken, there = state.cpu()
        return self._decisions.average(right, there, taken + there > 0)


@metric("f1")
class F1:
    """The harmonic mean of precision and recall.

    F1 = 2 right / (taken for it + is it); macro: its mean over the classes or labels that occur, right or taken for

    Predictions and targets as for precision; from 0 to 1. The table of each class is in `nntrain eval`.
    Source: van Rijsbergen, Information Retrieval, 1979; as sklearn.metrics.f1_score.

    Settings:
        of: macro for the mean over all, micro for all decisions together, or the name of a class or label
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Classes | Tags | LabelSet, *, of: str = "macro") -> None:
        self._decisions = Decisions(targets, of)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._decisions.measure(predictions, targets)

    def value(self, state: Tensor) -> float:
        right, taken, there = state.cpu()
        return self._decisions.average(2 * right, taken + there, taken + there > 0)


def by_name(title: str, column: str, names: Sequence[str], right: Tensor, taken: Tensor, there: Tensor) -> Table:
    """Precision, recall and F1 of each class or label; - where there is nothing to divide by."""
    figures = (right / taken, right / there, 2 * right / (taken + there))
    rows = zip(names, there.tolist(), *(figure.tolist() for figure in figures), strict=True)
    return Table(
        title,
        (column, "examples", "precision", "recall", "F1"),
        tuple((name, str(n), *(_share(value) for value in values)) for name, n, *values in rows),
    )


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
