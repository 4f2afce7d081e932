"""Ctrl-C and SIGTERM: the step is finished and the state saved; a second Ctrl-C stops at once.

SIGUSR1: the step is finished, the state saved, and the run goes on.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopAtOnce(BaseException):
    """The second Ctrl-C."""

    exit_status = 130
    said_after = ""

    def __str__(self) -> str:
        return "stopped at once; what was saved before is whole"


class Terminated(BaseException):
    """SIGTERM where no run is to be saved."""

    exit_status = 143
    said_after = ""

    def __str__(self) -> str:
        return "stopped by SIGTERM"


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Within it SIGTERM ends the program as an error does: half a file is removed, and no process left behind."""
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a worker, which has nothing to put in order
            os._exit(Terminated.exit_status)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def early_requests_ignored() -> Iterator[None]:
    """Within it SIGUSR1, which ends a process that does not expect it, does nothing: there is no state to save yet."""
    if not hasattr(signal, "SIGUSR1"):
        yield
        return
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


class Interruption:
    """While it is entered, notes the first signal instead of letting it end the process."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal: int | None = None
        self.asks_for_state = False
        self._before: dict[int, Any] = {}

    @property
    def exit_status(self) -> int:
        """130 for Ctrl-C, 143 for SIGTERM: 128 and the signal's number."""
        return 128 + (self.signal or 0)

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._note) for number in self._SIGNALS}
        if hasattr(signal, "SIGUSR1"):
            self._before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asks_for_state = True

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise StopAtOnce
        self.signal = number
