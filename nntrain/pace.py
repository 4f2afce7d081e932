"""Wall time in a run: how fast it goes, and when to save."""

import time

from nntrain.clock import Duration, Pause, seconds_of
from nntrain.parts import Parts

SAVE_SECONDS = 10.0
SAVE_SHARE = 0.02  # of the time, at most, that saving may take by itself


class Stopwatch:
    """Seconds of training, those before a resumption included, and training examples per second.

    The speed counts from the end of the first epoch, or the first tenth of the steps, to now.
    """

    def __init__(self, parts: Parts, step: int, seconds_before: float) -> None:
        self._seen = parts.order.seen
        self._from = step + min(parts.clock.steps_per_epoch, max(1, (parts.clock.total - step) // 10))
        self._started = time.monotonic() - seconds_before
        self._first = self._last = (step, time.monotonic())

    def step(self, step: int) -> None:
        """Notes that a step, with all that belongs to it, is done."""
        self._last = (step, time.monotonic())
        if step <= self._from:
            self._first = self._last

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def examples_per_second(self) -> float | None:
        examples = self._seen(self._last[0]) - self._seen(self._first[0])
        seconds = self._last[1] - self._first[1]
        return examples / seconds if seconds > 0 else None


class Saving:
    """When to save: every so many steps, or after so much wall time, which changes no result."""

    def __init__(self, every: Duration | str, steps: int) -> None:
        seconds = seconds_of(every) if isinstance(every, Duration) else SAVE_SECONDS
        self._steps = steps if seconds is None else None
        self._is_auto = not isinstance(every, Duration)
        self._pause = Pause(seconds or 0.0)

    def is_due(self, step: int) -> bool:
        return step % self._steps == 0 if self._steps is not None else self._pause.is_over()

    def done(self, seconds: float) -> None:
        """Notes that saving took so long; `auto` then saves seldom enough that this is a small share."""
        if self._is_auto:
            self._pause.seconds = max(SAVE_SECONDS, seconds / SAVE_SHARE)
        self._pause.restart()
