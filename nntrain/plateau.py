"""Reduce on plateau: the learning rate falls when a metric no longer gets better."""

from typing import Any

from nntrain.watch import Watch


class Plateau:
    """A factor of the learning rate, which falls after `patience` steps without a better evaluation.

    rate = max(least, factor * rate); the next time is `patience` steps later at the earliest.
    """

    def __init__(self, watch: Watch, patience: int, factor: float, least: float) -> None:
        self.watch = watch
        self.rate = 1.0
        self._patience = patience
        self._factor = factor
        self._least = least
        self._fell = 0  # the step of the last fall

    def see(self, value: float, step: int) -> None:
        """Notes an evaluation."""
        if not self.watch.see(value, step) and step - max(self.watch.step, self._fell) >= self._patience:
            self.rate = max(self._least, self._factor * self.rate)
            self._fell = step

    def state(self) -> dict[str, Any]:
        return {"watch": self.watch.state(), "rate": self.rate, "fell": self._fell}

    def restore(self, state: dict[str, Any] | None, step: int) -> None:
        """Goes on from a state; from `step` on where there is none, or the metric is another one."""
        self.watch.restore([state and state["watch"]], step)
        if state is not None:
            self.rate, self._fell = state["rate"], state["fell"]
