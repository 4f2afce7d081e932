"""A run that kills itself at a step, without a chance to save: nntrain.doomed STEP DELAY OUT|RUN CONFIG ..."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nntrain.fit import fit
from nntrain.request import Request


class Doom:
    """A progress display that kills the process some seconds after a step."""

    def __init__(self, step: int, delay: float) -> None:
        self._step = step
        self._delay = delay
        self._is_coming = False

    def step(self, step: int) -> None:
        if step >= self._step and not self._is_coming:
            self._is_coming = True
            threading.Timer(self._delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    def evaluation(self, record: Mapping[str, Any], is_best: bool) -> None:
        """Nothing is shown."""


def request_of(arguments: list[str]) -> Request:
    """A new run in the folder OUT, or RUN where there is no config."""
    place, *config = arguments
    if not config:
        return Request(None, (), Path("runs"), resume=place)
    return Request(config[0], config[1:], Path(place))


if __name__ == "__main__":
    step, delay, *rest = sys.argv[1:]

    @contextmanager
    def doom(*_: object) -> Iterator[Doom]:
        yield Doom(int(step), float(delay))

    fit(request_of(rest), lambda message: None, doom)
