"""A run from stage to stage: at any time the parts of one of them are in memory."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from shlex import quote
from typing import Any

from nntrain import state
from nntrain.checkpoint import serialise
from nntrain.errors import WORKER_KILLED, RunError
from nntrain.interruption import Interruption
from nntrain.invocation import command
from nntrain.meter import REMEDIES, DivergedError, Failure
from nntrain.out_of_memory import is_out_of_memory
from nntrain.plan import Plan
from nntrain.replay import record, replayed
from nntrain.run import ENDED
from nntrain.state import position_of
from nntrain.trainer import Display, Trainer
from nntrain.waiting import advice

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
            try:
                if not self._went_on(summary["status"], summary["reason"]):
                    return summary
            except Exception as error:
                return {**summary, "status": "failed", "reason": say_failure(error)}

    def _stage(self, show: Show, interruption: Interruption) -> dict[str, Any]:
        """Trains one stage."""
        trainer = self._given()
        watch = trainer.curves.watch
        self.better = watch.better if watch else "lower"
        return trainer.summary(*_trained(trainer, show, interruption))

    def _went_on(self, status: str, reason: str | None) -> bool:
        """Whether there is something to train after a stage that ended so; its trainer is ready then."""
        trainer = self._given()
        if status in ENDED and trainer.parts.stage + 1 < len(self._stages):
            self._go_on(status)
        elif status == "diverged" and trainer.returns < trainer.parts.remedy.returns:
            self._go_back(f"{reason}")
        else:
            return False
        return True

    def advice(self) -> str | None:
        """What to set so that steps wait less for data, where they waited long."""
        trainer = self._trainer
        if trainer is None:  # the next stage could not be made
            return None
        return advice(trainer.waiting.share(), getattr(trainer.parts.data, "faster", ""))

    def _given(self) -> Trainer:
        assert self._trainer is not None
        return self._trainer

    def _go_back(self, reason: str) -> None:
        """Goes on from the newest state, with a lower rate."""
        trainer, self._trainer = self._given(), None
        run, returns, profiler = trainer.run, trainer.returns + 1, trainer.profiler
        del trainer
        stored, _ = run.checkpoints.newest()
        self._stages.reached = stage = None if stored is None else position_of(stored, run.checkpoints.last)["stage"]
        back = self._trainer = Trainer(self._stages.parts(stage or 0), run, stored, profiler=profiler)
        back.returns = returns
        place = f"step {back.past.steps + back.step}" if stored else "the start"
        rate = f"{back.parts.remedy.factor**returns:.3g} times the rate"
        back.notes.append(f"{reason}; back to {place}, with {rate} ({returns} of {back.parts.remedy.returns} times)")
        run.go_on(None)
        back.settle_best()

    def _go_on(self, status: str) -> None:
        """Puts the next stage in the place of one that has ended so, whose parts are let go of first."""
        trainer, self._trainer = self._given(), None
        run, returns, profiler = trainer.run, trainer.returns, trainer.profiler
        past, stage = trainer.passed(status), trainer.parts.stage + 1
        weights = {**trainer.parts.model.state_dict(), **trainer.parts.average.state()}  # as the stage was evaluated
        del trainer
        self._trainer = Trainer(self._stages.parts(stage, weights), run, None, past, profiler)
        self._trainer.returns = returns


def _trained(trainer: Trainer, show: Show, interruption: Interruption) -> tuple[str, str | None]:
    """Trains a stage: its status, and the reason where it did not simply finish."""
    try:
        with show(trainer) as display:
            try:
                status = trainer.train(display, interruption)
            finally:
                trainer.close()
    except DivergedError as error:
        return "diverged", f"{error}{_explained(trainer, error.failure)}; {REMEDIES}"
    except RunError as error:
        return "failed", str(error)
    except Exception as error:
        if os.environ.get("NNTRAIN_DEBUG") == "1":
            raise
        return "failed", say_failure(error)
    if status == "interrupted":
        return status, "stopped by Ctrl-C" if interruption.signal == signal.SIGINT else "stopped by SIGTERM"
    return status, None


def _explained(trainer: Trainer, failure: Failure | None) -> str:
    """Keeps the batch that went wrong, and says what in it was the first that is not finite."""
    if failure is None:
        return ""
    parts, run = trainer.parts, trainer.run
    first = None
    with suppress(Exception):  # the run has failed already; why, is known
        model = state.trained(parts, failure.step)  # running a batch again changes running statistics
        content = serialise(model)
        first = replayed(parts, failure.step, failure.objective).first
        run.write_divergence(content, {**record(parts, failure), "first": first})
    where = f", first in {first}" if first else ""
    return f"{where} ({command()} replay {quote(str(run.path))} shows the batch)"


def say_failure(error: Exception) -> str:
    """What went wrong in a run and what to do, in one sentence."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"the run could not be written{where}: {error.strerror or error}; what was saved before is whole"
    text = " ".join(str(error).split())
    if isinstance(error, RuntimeError) and "DataLoader worker" in text:  # torch may notice it at any moment
        return WORKER_KILLED
    if is_out_of_memory(error):
        smaller = "a smaller data.batch_size, with trainer.accumulate for the same updates"
        return f"out of memory; try trainer.oom=halve, or {smaller}"
    return f"{type(error).__name__}: {text}; NNTRAIN_DEBUG=1 shows where"
