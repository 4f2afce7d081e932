"""A run from stage to stage: at any time the parts of one of them are in memory."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from nntrain.errors import RunError
from nntrain.interruption import Interruption
from nntrain.meter import DivergedError
from nntrain.plan import Plan
from nntrain.run import ENDED
from nntrain.trainer import Display, Trainer

Show = Callable[[Trainer], AbstractContextManager[Display]]


class Course:
    """Trains the stages of a plan, from the one that a trainer is at to the last."""

    def __init__(self, stages: Plan, trainer: Trainer) -> None:
        self.better = "lower"  # whether the metric that the run is judged by is to be lower or higher
        self._stages = stages
        self._trainer: Trainer | None = trainer

    def train(self, show: Show, interruption: Interruption) -> dict[str, Any]:
        """Trains to the end, whatever it is; returns the summary."""
        while True:
            summary = self._stage(show, interruption)
            if self._trainer is None or summary["status"] not in ENDED:
                return summary
            try:
                self._go_on(summary["status"])
            except Exception as error:
                return {**summary, "status": "failed", "reason": say_failure(error)}

    def _stage(self, show: Show, interruption: Interruption) -> dict[str, Any]:
        """Trains one stage; the trainer is given up where it was the last one."""
        trainer = self._trainer
        assert trainer is not None
        watch = trainer.curves.watch
        self.better = watch.better if watch else "lower"
        summary = trainer.summary(*_trained(trainer, show, interruption))
        if trainer.parts.stage + 1 == len(self._stages):
            self._trainer = None
        return summary

    def _go_on(self, status: str) -> None:
        """Puts the next stage in the place of one that has ended so, whose parts are let go of first."""
        trainer, self._trainer = self._trainer, None
        assert trainer is not None
        run, past, stage = trainer.run, trainer.passed(status), trainer.parts.stage + 1
        weights = {**trainer.parts.model.state_dict(), **trainer.parts.average.state()}  # as the stage was evaluated
        del trainer
        self._trainer = Trainer(self._stages.parts(stage, weights), run, None, past)


def _trained(trainer: Trainer, show: Show, interruption: Interruption) -> tuple[str, str | None]:
    """Trains a stage: its status, and the reason where it did not simply finish."""
    try:
        with show(trainer) as display:
            try:
                status = trainer.train(display, interruption)
            finally:
                trainer.close()
    except DivergedError as error:
        return "diverged", str(error)
    except RunError as error:
        return "failed", str(error)
    except Exception as error:
        if os.environ.get("NNTRAIN_DEBUG") == "1":
            raise
        return "failed", say_failure(error)
    if status == "interrupted":
        return status, "stopped by Ctrl-C" if interruption.signal == signal.SIGINT else "stopped by SIGTERM"
    return status, None


def say_failure(error: Exception) -> str:
    """What went wrong in a run and what to do, in one sentence."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"the run could not be written{where}: {error.strerror or error}; what was saved before is whole"
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return "out of memory; try a smaller data.batch_size, with trainer.accumulate for the same updates"
    return f"{type(error).__name__}: {text}; NNTRAIN_DEBUG=1 shows where"
