"""Metrics: a state per batch that merges with +, and the number it stands for.

So a metric over a split does not depend on the batch size.
"""

from typing import Any, Protocol


class Metric(Protocol):
    """Measures predictions; `better` says which way is up."""

    better: str  # "lower" or "higher"

    def measure(self, predictions: Any, targets: Any) -> Any:
        """The state of a batch, a tensor on the device; states of several batches are added."""

    def value(self, state: Any) -> float:
        """The number that a state stands for."""
