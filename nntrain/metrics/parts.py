"""Metrics of a part of what was predicted, where that is several things by name."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nntrain.metrics import Metric
from nntrain.schema import Component


class Views:
    """Several things that are predicted of the same examples, by name; a metric measures the first that it takes."""

    def __init__(self, **parts: Any) -> None:
        self._parts = parts

    def part(self, name: str) -> Any:
        return self._parts[name]

    def part_for(self, metric: Component) -> str:
        """What a metric measures; the first also where it takes none of them."""
        return next((name for name, part in self._parts.items() if metric.suits(part)), next(iter(self._parts)))


class OfPart:
    """A metric of one part of predictions and targets; None is the state of a batch without that part."""

    def __init__(self, part: str, metric: Metric) -> None:
        self.better = metric.better
        self._part = part
        self._metric = metric

    def measure(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Any:
        if self._part not in predictions:
            return None
        return self._metric.measure(predictions[self._part], targets[self._part])

    def value(self, state: Any) -> float:
        return self._metric.value(state)
