"""Watching a metric: which evaluation was best, and how long ago."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Watch:
    """The best value of a metric so far.

    A value is better when it passes the best by more than `min_change`; one that is not a number never is.
    """

    metric: str  # spelt dev/error_rate
    better: str  # "lower" or "higher"
    min_change: float = 0.0
    value: float | None = None
    step: int = 0

    def see(self, value: float, step: int) -> bool:
        """Notes an evaluation; whether it is the best so far."""
        sign = 1 if self.better == "lower" else -1
        is_better = not math.isnan(value) and (self.value is None or sign * (self.value - value) > self.min_change)
        if is_better:
            self.value, self.step = value, step
        return is_better

    def state(self) -> dict[str, Any]:
        return {"metric": self.metric, "value": self.value, "step": self.step}

    def restore(self, states: Sequence[dict[str, Any] | None], step: int) -> bool:
        """Goes on from the first state that is of this metric; else counts from `step` on, and returns False."""
        for state in states:
            if state is not None and state["metric"] == self.metric:
                self.value, self.step = state["value"], state["step"]
                return True
        self.step = step
        return False
