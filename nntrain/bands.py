"""The curves of several runs: their mean, and the band in which the mean of all such runs lies."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nntrain.spread import half_width

Numbers = NDArray[np.float64]
PARTS = ("train", "dev")


@dataclass(frozen=True)
class Curve:
    """One run's evaluations of a metric."""

    steps: Numbers
    epochs: Numbers
    values: Numbers


@dataclass(frozen=True)
class Band:
    """The mean of several curves, and the ends of its 95 % interval, against steps and epochs.

    Runs may be evaluated at different steps: each is a line between its points. A run that has stopped keeps its
    last value, so that the band ends at the mean and interval of all runs' last evaluations.
    """

    steps: Numbers
    epochs: Numbers
    mean: Numbers
    lower: Numbers
    upper: Numbers
    curves: Sequence[Curve]

    @classmethod
    def of(cls, curves: Sequence[Curve]) -> "Band":
        begin = max(curve.steps[0] for curve in curves)
        longest = max(curves, key=lambda curve: curve.steps[-1])
        steps = np.unique(np.concatenate([curve.steps for curve in curves]))
        steps = steps[steps >= begin]
        values = np.stack([np.interp(steps, curve.steps, curve.values) for curve in curves])
        mean, half = values.mean(axis=0), half_width(len(curves)) * values.std(axis=0, ddof=1)
        epochs = np.interp(steps, longest.steps, longest.epochs)
        return cls(steps, epochs, mean, mean - half, mean + half, curves)


Bands = Mapping[str, Mapping[str, Band]]  # by part and metric


def bands_of(runs: Iterable[Path], metrics: Mapping[str, Sequence[str]]) -> Bands:
    """The bands of metrics by part, where two or more runs have finite numbers."""
    records = [_records(run) for run in runs]
    return {part: dict(_bands(records, part, metrics[part])) for part in PARTS}


def _records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _bands(records: Sequence[Sequence[Mapping[str, Any]]], part: str, metrics: Sequence[str]) -> Iterator[Any]:
    for metric in metrics:
        curves = [curve for run in records if (curve := _curve(run, part, metric)) is not None]
        if len(curves) > 1:
            yield metric, Band.of(curves)


def _curve(records: Sequence[Mapping[str, Any]], part: str, metric: str) -> Curve | None:
    """A run's points; None where one of them is no finite number, which has no mean with others."""
    points = [(record["step"], record["epoch"], (record[part] or {}).get(metric)) for record in records]
    if not points or any(value is None or not math.isfinite(value) for _, _, value in points):
        return None
    return Curve(*np.array(points, dtype=np.float64).T)
