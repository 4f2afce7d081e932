"""Where the time of training goes: some steps under torch's profiler."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Protocol, TypeVar

from torch.autograd.profiler import record_function
from torch.profiler import profile, supported_activities

from nntrain.breakdown import APART, STEP, WAITING, breakdown
from nntrain.device import python_state, restore_python

Item = TypeVar("Item")
Within = AbstractContextManager[Any]

WARM_UP = 10  # steps, at least, before those that are profiled; of short runs a quarter
STEPS = 40  # that are profiled,
NEEDED = STEPS + 1  # with the first one, which takes longer and is none of them,
SECONDS = 10.0  # but none is begun after so long
TRACE = "profile.pt.trace.json.gz"  # TensorBoard's plug-in looks for this ending


class Way(Protocol):
    """How steps are done."""

    def is_settled(self) -> bool:
        """Whether they are done from here on as they are now."""

    def calls_apart(self) -> int:
        """How many took longer than others, as they were written down, compiled or done both ways."""


class Profiler(Protocol):
    """What watches steps; it changes none of them."""

    def around(self, updates: Iterator[Item], left: int, way: Way) -> Iterator[Item]:
        """The batches of updates, watched: a step goes from the asking for them to the next asking.

        `left` is how many there are at most.
        """

    def apart(self) -> Within:
        """The context of what is done between steps, whose time is none of theirs."""

    def close(self) -> None:
        """No more steps follow."""

    def facts(self) -> dict[str, Any]:
        """For the run's summary."""


class NoProfiler:
    """Watches nothing."""

    def around(self, updates: Iterator[Item], left: int, way: Way) -> Iterator[Item]:
        return updates

    def apart(self) -> Within:
        return nullcontext()

    def close(self) -> None: ...

    def facts(self) -> dict[str, Any]:
        return {}


class TorchProfiler:
    """Watches a few dozen steps of a run, once they take as long as those that follow, and writes what it saw.

    Steps that are to be captured are waited for, to half of what there is to train. Where one that is written down, or
    proven, turns out to be among those that are watched, these are forgotten, and others watched as long as there are
    enough. Of several stages the first that is trained is looked at.
    """

    def __init__(self, folder: Path) -> None:
        self._trace = folder / TRACE
        self._profile: profile | None = None
        self._step: Within = nullcontext()
        self._edges: deque[float] = deque(maxlen=WARM_UP + 1)  # when the last steps began that are not profiled
        self._until = 0.0
        self._seen = 0
        self._calls_apart: int | None = None  # when the first steps that are profiled began
        self._is_over = False
        self._found: dict[str, Any] | None = None

    def around(self, updates: Iterator[Item], left: int, way: Way) -> Iterator[Item]:
        for number in range(left):
            if self._profile is not None:
                self._end_step(left - number, way.calls_apart())
            if self._profile is None and not self._is_over:
                self._edges.append(perf_counter())
                if self._is_due(number, left, way):
                    self._start(way.calls_apart())
            with self._begin_step():
                update = next(updates)
            yield update

    def apart(self) -> Within:
        return nullcontext() if self._profile is None else record_function(APART)

    def close(self) -> None:
        if self._profile is not None:
            self._step.__exit__(None, None, None)
            self._stop(f"the run was over before {STEPS} steps were profiled")

    def facts(self) -> dict[str, Any]:
        return {"profile": self._found}

    def _is_due(self, number: int, left: int, way: Way) -> bool:
        """Whether step `number` of those that are left is the first to be profiled."""
        if number < min(WARM_UP, left // 4):
            return False
        is_waited_for = number < left // 2 or self._calls_apart is not None
        return way.is_settled() or not is_waited_for or left - number <= NEEDED

    def _start(self, calls_apart: int) -> None:
        self._seen, self._calls_apart = 0, calls_apart
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it reports to standard error that there is no GPU
        random = python_state()
        self._profile = profile(activities=supported_activities())  # type: ignore[no-untyped-call]
        self._profile.start()
        restore_python(random)  # it imports torch's compiler, and importing may draw numbers
        self._until = perf_counter() + SECONDS

    def _begin_step(self) -> Within:
        """Begins a step where steps are profiled; the context of the waiting for its batches."""
        if self._profile is None:
            return nullcontext()
        self._step = record_function(f"{STEP}#{self._seen}")
        self._step.__enter__()  # type: ignore[no-untyped-call]
        return record_function(WAITING)

    def _end_step(self, left: int, calls_apart: int) -> None:
        self._step.__exit__(None, None, None)
        self._seen += 1
        if calls_apart != self._calls_apart and left >= NEEDED:
            assert self._profile is not None
            self._profile.stop()
            self._profile = None
        elif self._seen == NEEDED or perf_counter() > self._until:
            self._stop()

    def _stop(self, note: str | None = None) -> None:
        """Keeps what was seen, as numbers and as a trace."""
        watched, self._profile, self._is_over = self._profile, None, True
        assert watched is not None
        watched.stop()
        events = watched.events()  # type: ignore[no-untyped-call]
        watched.export_chrome_trace(str(self._trace))
        times = [after - before for before, after in zip(self._edges, list(self._edges)[1:], strict=False)]
        unwatched = {"unwatched_step_seconds": median(times) if times else None}
        self._found = {"trace": str(self._trace), **breakdown(events), **unwatched, "note": note}


def profiler_of(is_wanted: bool, folder: Path) -> Profiler:
    """What looks at steps of a run, where that is wanted."""
    return TorchProfiler(folder) if is_wanted else NoProfiler()
