"""Schedules: the learning rate's factor as a pure function of progress; nothing to checkpoint."""

from collections.abc import Callable

from nntrain.clock import Clock
from nntrain.settings import Length

Schedule = Callable[[float], float]


class Warmup:
    """A schedule with a linear rise before it.

    factor(p) = (p + 1/N) / w for p < w, then schedule((p - w) / (1 - w)); N is the number of steps, so that the
    first step already moves and the last one of the rise has the full rate. Where the run ends before, it never has.

    Settings:
        warmup: how long the rate rises to its full value, such as 5% or 500 steps; left out, not at all
    """

    def __init__(self, schedule: Callable[[Clock], Schedule], clock: Clock, *, warmup: Length | None = None) -> None:
        steps = clock.steps(warmup) if warmup is not None else 0
        self._warmup = steps / clock.total
        self._first = 1 / clock.total
        rest = Clock(max(1, clock.total - steps), clock.steps_per_epoch, whole=clock.total)
        self._schedule = schedule(rest)

    def __call__(self, progress: float) -> float:
        if progress < self._warmup - 1e-12:
            return min(1.0, (progress + self._first) / self._warmup)
        if self._warmup >= 1:
            return 1.0
        return self._schedule((progress - self._warmup) / (1 - self._warmup))
