"""Durations with a unit ("5 epochs", "10%") turned into steps, and when it is time."""

import math
import re
import time
from dataclasses import dataclass

from nntrain.errors import UnfitError

_UNITS = {
    "epoch": "epochs",
    "epochs": "epochs",
    "step": "steps",
    "steps": "steps",
    "%": "%",
    "second": "seconds",
    "seconds": "seconds",
    "minute": "minutes",
    "minutes": "minutes",
    "hour": "hours",
    "hours": "hours",
}
LONGEST = 1e15  # of anything: beyond it floats no longer count every step
_SECONDS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0}
PATTERN = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+|%)\s*"


@dataclass(frozen=True)
class Duration:
    """An amount and its unit: epochs, steps, % of the run, or (for saving) seconds, minutes, hours."""

    amount: float
    unit: str

    def __str__(self) -> str:
        amount = str(int(self.amount)) if self.amount == int(self.amount) else repr(self.amount)
        return f"{amount}%" if self.unit == "%" else f"{amount} {self.unit}"


def parse_interval(value: object) -> Duration:
    """Reads "20 epochs", "2000 steps", "10%" or "10 minutes"; ValueError says what is wrong with anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value <= 0:
            raise ValueError("it must be greater than 0, and have a unit; to go without, leave it out")
        raise ValueError(f"a number without a unit; write '{value} epochs' or '{value} steps'")
    match = re.fullmatch(PATTERN, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("")
    unit = _UNITS.get(match[2])
    if unit is None:
        raise ValueError(f"the unit '{match[2]}' is not known; units are epochs, steps, % and minutes")
    amount = float(match[1])
    if not 0 < amount < LONGEST:
        raise ValueError("it must be greater than 0" if amount <= 0 else f"it must be less than {LONGEST:g}")
    if unit == "steps" and amount != int(amount):
        raise ValueError("steps are whole")
    if unit == "%" and amount > 100:
        raise ValueError("a share of the run is at most 100%")
    return Duration(amount, unit)


def parse_duration(value: object) -> Duration:
    """Like `parse_interval`, for what must not depend on the speed of the machine."""
    duration = parse_interval(value)
    if duration.unit in _SECONDS:
        raise ValueError("wall time would make the result depend on the machine; use epochs, steps or %")
    return duration


@dataclass(frozen=True)
class Clock:
    """How long the run is, and how durations translate into its steps."""

    total: int
    steps_per_epoch: int
    whole: int | None = None  # the steps of the whole run, where this is a part of it

    @classmethod
    def of(cls, length: Duration, steps_per_epoch: int) -> "Clock":
        if length.unit == "%":
            raise UnfitError("the length of a run cannot be a share of itself; use epochs or steps")
        per_unit = steps_per_epoch if length.unit == "epochs" else 1
        return cls(max(1, round(length.amount * per_unit)), steps_per_epoch)

    def steps(self, duration: Duration) -> int:
        """The duration in steps, at least one."""
        return max(1, round(duration.amount * self.steps_in(duration.unit)))

    def steps_in(self, unit: str) -> float:
        """How many steps one epoch, step or % of the run is."""
        return {"epochs": self.steps_per_epoch, "steps": 1, "%": (self.whole or self.total) / 100}[unit]

    def share(self, duration: Duration) -> float:
        """The duration as a share of the run."""
        return self.steps(duration) / self.total

    def epoch(self, step: int) -> float:
        """How many epochs have passed after `step` steps."""
        return step / self.steps_per_epoch

    def due(self, step: int, every: int) -> bool:
        """Whether something that happens `every` so many steps, and at the end, happens after `step` steps."""
        return step % every == 0 or step == self.total

    def evaluation_interval(self, seconds_per_epoch: float) -> int:
        """Steps between evaluations for `evaluate: auto`: an epoch, or as many as fill a second.

        The seconds are an estimate from the network's arithmetic rather than a measurement, so that the same
        config evaluates at the same steps in every run, whole or resumed. Several epochs are rounded up to
        2, 5, 10, 20, 50, ...
        """
        epochs = 1 / max(seconds_per_epoch, 1e-9)
        if epochs <= 1:
            return self.steps_per_epoch
        decade = 10 ** math.floor(math.log10(epochs))
        rounded = next(n * decade for n in (1, 2, 5, 10) if n * decade >= epochs)
        return min(rounded * self.steps_per_epoch, self.total)


class Pause:
    """Whether enough wall time has passed, for what may depend on it: saving and drawing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._last = time.monotonic()

    def is_over(self) -> bool:
        return time.monotonic() - self._last >= self.seconds

    def restart(self) -> None:
        self._last = time.monotonic()


def seconds_of(duration: Duration) -> float | None:
    """The wall time of a duration in seconds, minutes or hours; None for other units."""
    factor = _SECONDS.get(duration.unit)
    return None if factor is None else duration.amount * factor
