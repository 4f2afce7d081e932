"""Metrics of a part of what was predicted, where that is several things by name."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nntrain.metrics import Metric


class OfPart:
    """A metric of one part of predictions and targets."""

    def __init__(self, part: str, metric: Metric) -> None:
        self.better = metric.better
        self._part = part
        self._metric = metric

    def measure(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Any:
        return self._metric.measure(predictions[self._part], targets[self._part])

    def value(self, state: Any) -> float:
        return self._metric.value(state)
