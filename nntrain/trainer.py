"""The loop: what happens when, and nothing else."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from nntrain import state
from nntrain.assemble import Parts
from nntrain.checkpoint import Checkpoint
from nntrain.clock import Duration
from nntrain.curves import Curves
from nntrain.device import python_state, restore_python, seed_python
from nntrain.evaluate import Numbers
from nntrain.gallery import augmented_examples
from nntrain.interruption import Interruption
from nntrain.meter import Meter
from nntrain.network import parameter_count
from nntrain.pace import Saving, Stopwatch
from nntrain.run import Run
from nntrain.writers import Writers

LOGS_PER_RUN = 200


class Display(Protocol):
    """Where the loop shows how it is going."""

    def step(self, step: int) -> None: ...

    def evaluation(self, record: Mapping[str, Any], is_best: bool) -> None: ...


class Trainer:
    """Trains the parts of a run from its last checkpoint, or from the start, to its end."""

    def __init__(self, parts: Parts, run: Run, stored: Checkpoint | None) -> None:
        """Restores the state, and writes nothing; UserError where the state is not one of these parts."""
        facts = state.facts_of(stored)
        self.parts = parts
        self.run = run
        self.step: int = facts.get("position", {"step": 0})["step"]
        self.update = parts.update()
        self.meter = Meter({name: norms.layers for name, norms in self.update.norms.items()}, parts.device.torch)
        seed_python(parts.seed)
        if stored is not None:
            state.restore(stored, parts, self.meter, run.checkpoints.last)
        self.writers = Writers(run.path, facts.get("lengths"))
        self.curves = Curves(parts, facts.get("curves"))
        self._saved_best = self._best()
        self.stopwatch = Stopwatch(parts, self.step, facts.get("seconds", 0.0))
        self._parameters = parameter_count(parts.model)  # before any are frozen
        self._random = python_state()

    def train(self, display: Display, interruption: Interruption) -> str:
        """Runs the loop; returns how the run ended: `finished`, `stopped_early` or `interrupted`."""
        parts, clock = self.parts, self.parts.clock
        log_every = _steps(parts, parts.settings.log, otherwise=max(1, clock.total // LOGS_PER_RUN))
        saving = Saving(parts.settings.save, _steps(parts, parts.settings.save, otherwise=1))
        updates = parts.data.train.stream(parts.order.updates(self.step, parts.device.torch))
        parts.model.train()
        self.writers.open()
        self._show_examples()
        restore_python(self._random)  # importing a library, such as rich, may have drawn numbers
        status = self.ended()
        while status is None:
            parts.device.seed(parts.seed, 1, state.STAGE, self.step)
            batches = next(updates)
            factor = parts.schedule(self.step / clock.total) * self.curves.rate
            self.meter.add(self.update(self.step, batches, factor))
            self.step += 1
            parts.average.follow(self.step)

            if clock.due(self.step, self.curves.interval):
                self._evaluate(factor, display)
            elif clock.due(self.step, log_every):
                self.writers.progress(self._progress(factor), self.step)
            status = self.ended() or ("interrupted" if interruption.signal else None)
            if status or saving.is_due(self.step):
                saving.done(self._save())
            self.stopwatch.step(self.step)
            display.step(self.step)
        return status

    def close(self) -> None:
        """Closes the records, and leaves `best` as the saved state knows it."""
        self.writers.close()
        self.settle_best()

    def settle_best(self) -> None:
        self.run.checkpoints.settle_best(self._saved_best["step"] if self._saved_best else None)

    def summary(self, status: str, reason: str | None) -> dict[str, Any]:
        """What summary.json says of the run."""
        curves = self.curves
        return {
            "run": str(self.run.path),
            "status": status,
            "reason": reason,
            "epochs": self.parts.clock.epoch(self.step),
            "steps": self.step,
            "seconds": self.stopwatch.seconds(),
            "examples_per_second": self.stopwatch.examples_per_second(),
            "model": {"type": self.parts.plain["model"]["type"], "parameters": self._parameters},
            "train": curves.metrics_of(curves.last, "train"),
            "dev": curves.metrics_of(curves.last, "dev"),
            "best": self._saved_best,
        }

    def ended(self) -> str | None:
        """How the run has ended, None where it goes on."""
        if self.step >= self.parts.clock.total:
            return "finished"
        return "stopped_early" if self.curves.have_stalled() else None

    def _show_examples(self) -> None:
        """At the start of a run a picture of its first batch, where that is augmented images."""
        picture = augmented_examples(self.parts, 1, state.STAGE, 0) if self.step == 0 else None
        if picture is not None:
            self.writers.examples(*picture, self.step)

    def _progress(self, factor: float) -> Numbers:
        """The means since the last time of objective and gradient norm, and the rate of this step."""
        numbers = self.meter.read(self.step)
        for name, optimizer in self.parts.optimizers.items():
            numbers["lr" if name == "model" else f"{name}/lr"] = optimizer.rule.lr * factor
        return numbers

    def _evaluate(self, factor: float, display: Display) -> None:
        with self.parts.average.in_place():
            is_best = self.curves.evaluate(self.step, self.stopwatch.seconds(), self._progress(factor))
            assert self.curves.last is not None
            self.writers.evaluation(self.curves.last, self.curves.completed_epoch)
            if is_best:
                self.run.checkpoints.set_aside_best(state.trained(self.parts, self.step))
        display.evaluation(self.curves.last, is_best)

    def _save(self) -> float:
        """Saves the state of the run; returns the seconds it took."""
        began = time.monotonic()
        self.meter.check(self.step)  # a state that has diverged must not replace one that has not
        saved = state.whole(self.parts, self.step, self.meter)
        state.check_finite(saved, self.parts, self.step)
        saved.facts.update(seconds=self.stopwatch.seconds(), curves=self.curves.state(), lengths=self.writers.sync())
        self.run.checkpoints.save_last(saved)
        self._saved_best = self._best()
        return time.monotonic() - began

    def _best(self) -> dict[str, Any] | None:
        """The best model so far; it lies in its file as soon as the state is saved."""
        watch, best = self.curves.watch, self.curves.best
        if watch is None or best is None:
            return None
        return {
            "metric": watch.metric,
            "value": watch.value,
            "step": watch.step,
            "checkpoint": str(self.run.checkpoints.best),
            "metrics": self.curves.metrics_of(best, watch.metric.partition("/")[0]),
        }


def _steps(parts: Parts, duration: Duration | str, otherwise: int) -> int:
    """A duration in steps; `auto`, and wall time, are something else."""
    if isinstance(duration, Duration) and duration.unit in ("epochs", "steps", "%"):
        return parts.clock.steps(duration)
    return otherwise
