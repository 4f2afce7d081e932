"""How fast the steps of a run are."""

import math
import time
from collections.abc import Sequence
from statistics import median

import torch

from nntrain.attempts import reason
from nntrain.batch import Batch
from nntrain.layers import multiply_adds
from nntrain.parts import Parts
from nntrain.update import Measures

WARM = 5  # steps before those that count: compiled and captured ones are proven in them
PIECE = 0.05  # seconds of steps that are timed together, as a GPU is waited for only after them


class FailedError(Exception):
    """Steps that cannot be taken this way, and why."""


class Timed:
    """The updates of a run, from its first batch on, as the loop makes them, without what it writes."""

    def __init__(self, parts: Parts) -> None:
        """Takes the first steps; FailedError where they cannot be taken, or only in another way."""
        self._parts = parts
        self._update = parts.update()
        parts.model.train()
        began = time.perf_counter()
        self._start()
        self._steps(1)
        self.first_step = time.perf_counter() - began
        self._steps(WARM)

    def speed(self, seconds: float) -> float:
        """Examples per second: the median over pieces of the time given."""
        self._start()
        pieces: list[float] = []
        ends = time.perf_counter() + seconds
        while not pieces or time.perf_counter() < ends:
            began, examples = time.perf_counter(), 0
            while not examples or time.perf_counter() - began < PIECE:
                examples += self._steps(1)
            self._wait()
            pieces.append(examples / (time.perf_counter() - began))
        self._check_way()
        return median(pieces)

    def _start(self) -> None:
        """From the first batch; precision and threads are the process's, which others have set since."""
        parts = self._parts
        parts.device.use_precision()
        parts.device.use_threads(multiply_adds(parts.layers, parts.data.batch_size))
        self._step = 0
        self._batches = parts.data.train.stream(parts.order.updates(0))

    def _steps(self, count: int) -> int:
        """Takes some steps; how many examples they have seen."""
        try:
            return sum(self._take() for _ in range(count))
        except Exception as error:
            raise FailedError(reason(error)) from error

    def _take(self) -> int:
        parts = self._parts
        parts.device.seed(parts.seed, 1, parts.stage, self._step)
        batches: Sequence[Batch] = next(self._batches)
        factor = parts.schedule(min(1.0, self._step / parts.clock.total))
        self._seen: dict[str, Measures] = self._update(self._step, batches, factor)
        self._step += 1
        return sum(batch.examples for batch in batches)

    def _check_way(self) -> None:
        """FailedError where steps ran otherwise than they were to, or diverged."""
        settings = self._parts.settings
        for captured in self._update.captured.values():
            if captured.reason and (settings.compile or settings.capture is True):
                raise FailedError(captured.reason)
        if not all(math.isfinite(float(measures.objective)) for measures in self._seen.values()):
            raise FailedError("the loss is no longer a finite number")

    def _wait(self) -> None:
        if self._parts.device.torch.type == "cuda":
            torch.cuda.synchronize(self._parts.device.torch)
