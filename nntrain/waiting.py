"""How much of the training's time goes by before the next batch is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")
LARGE = 0.1  # a share of which the user is told


class Waiting:
    """The share of the steps' wall time in which they wait for the batches that they are made of.

    Evaluating and saving are no part of the steps' time. The first step counts for nothing: what reads the data is
    started in it.
    """

    def __init__(self) -> None:
        self._waited = self._apart = 0.0
        self._from: float | None = None  # when counting began, since the last reading
        self._before = (0.0, 0.0)  # seconds waited and seconds in all, up to the last reading

    def around(self, updates: Iterator[Item]) -> Iterator[Item]:
        """The same, watched."""
        yield next(updates)
        self._from, self._apart = perf_counter(), 0.0
        while True:
            began = perf_counter()
            update = next(updates)
            self._waited += perf_counter() - began
            yield update

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within it the time is not that of steps."""
        began = perf_counter()
        try:
            yield
        finally:
            self._apart += perf_counter() - began

    def read(self) -> dict[str, float]:
        """The share since the last reading as a number of the progress; none before the second step."""
        if self._from is None:
            return {}
        waited, seconds = self._since()
        self._before = self._before[0] + waited, self._before[1] + seconds
        self._from, self._waited, self._apart = perf_counter(), 0.0, 0.0
        return {"data_wait": round(_share(waited, seconds), 4)}

    def share(self) -> float | None:
        """The share since the start of the stage, or since it was gone on with."""
        if self._from is None:
            return None
        waited, seconds = self._since()
        return _share(self._before[0] + waited, self._before[1] + seconds)

    def _since(self) -> tuple[float, float]:
        """Seconds waited and seconds in all since the last reading."""
        assert self._from is not None
        return self._waited, perf_counter() - self._from - self._apart


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0


def advice(share: float | None, faster: str) -> str | None:
    """What to do where steps wait long for data that is read while they are made; `faster` says what would help."""
    if share is None or share <= LARGE or not faster:
        return None
    return f"the steps waited for data in {share:.0%} of their time; to wait less: {faster}"
