"""The loop: what happens when, and nothing else."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from nntrain import state
from nntrain.checkpoint import Checkpoint
from nntrain.clock import Duration
from nntrain.curves import Curves
from nntrain.device import python_state, restore_python, seed_python
from nntrain.evaluate import Numbers
from nntrain.exhibition import Exhibition
from nntrain.gallery import augmented_examples
from nntrain.interruption import Interruption
from nntrain.meter import DivergedError, Meter
from nntrain.network import parameter_count
from nntrain.pace import Saving, Stopwatch
from nntrain.parts import Parts
from nntrain.past import Past, Ways, together
from nntrain.profiler import NoProfiler, Profiler
from nntrain.replay import record
from nntrain.run import Run
from nntrain.waiting import Waiting
from nntrain.writers import BROKEN, LEFT_OUT, Lengths, Writers

LOGS_PER_RUN = 200


class Display(Protocol):
    """Where the loop shows how it is going."""

    def step(self, step: int) -> None: ...

    def evaluation(self, record: Mapping[str, Any], is_best: bool) -> None: ...


class Trainer:
    """Trains the parts of a run's stage from its last checkpoint, or from the start, to the stage's end."""

    def __init__(
        self,
        parts: Parts,
        run: Run,
        stored: Checkpoint | None,
        past: Past | None = None,
        profiler: Profiler = NoProfiler(),  # noqa: B008
    ) -> None:
        """Restores the state, and writes nothing; UserError where the state is not one of these parts.

        `past` is what a state knows already: what the stages before did.
        """
        facts = state.facts_of(stored)
        self.parts = parts
        self.run = run
        self.past = past or Past.stored(facts)
        self.step: int = facts.get("position", {"step": 0})["step"]
        self.update = parts.update()
        layers = {name: norms.layers for name, norms in self.update.norms.items()}
        terms = {objective.name: objective.terms for objective in parts.task.objectives}
        self.meter = Meter(layers, terms, parts.remedy.skips)
        self.notes = list(parts.taken_over)  # what the user is told when the stage starts
        self.returns: int = facts.get("returns", 0)  # how often the run went back, as it had diverged
        seed_python(parts.seed + parts.stage)
        if stored is not None:
            state.restore(stored, parts, self.update.guard, self.meter, run.checkpoints.last)
        self.update.pieces.count = facts.get("pieces", 1)
        for name, captured in self.update.captured.items():
            captured.forms = facts.get("forms", {}).get(name, [])
        self._lengths: Lengths = facts.get("lengths", self.past.lengths)
        self._captured_before: Ways = facts.get("captured", self.past.captured)
        parts.unread.restore(facts.get("broken", self.past.broken))
        more = {LEFT_OUT: parts.remedy.skips > 0, BROKEN: parts.settings.skip_broken is not None}
        self.writers = Writers(run.path, self._lengths, [name for name, is_kept in more.items() if is_kept])
        self.curves = Curves(parts, facts.get("curves"), self.past)
        self.exhibition = Exhibition(parts)
        self._saved_best = self._best()
        self.profiler = profiler
        self.waiting = Waiting()
        self.stopwatch = Stopwatch(parts, self.step, facts.get("seconds", self.past.seconds))
        self._parameters = parameter_count(parts.model)  # before any are frozen
        self._random = python_state()

    def train(self, display: Display, interruption: Interruption) -> str:
        """Runs the loop; returns how the stage ended: `finished`, `stopped_early` or `interrupted`."""
        parts, clock = self.parts, self.parts.clock
        log_every = _steps(parts, parts.settings.log, otherwise=max(1, clock.total // LOGS_PER_RUN))
        saving = Saving(parts.settings.save, _steps(parts, parts.settings.save, otherwise=1))
        stream = parts.data.train.stream(parts.order.updates(self.step))
        updates = self.waiting.around(stream)
        updates = self.profiler.around(updates, clock.total - self.step, self.update)
        parts.model.train()
        self.writers.open()
        self._show_examples()
        restore_python(self._random)  # importing a library, such as rich, may have drawn numbers
        status = self.ended()
        while status is None:
            parts.device.seed(parts.seed, 1, parts.stage, self.step)
            batches = next(updates)
            factor = parts.schedule(self.step / clock.total) * self.rate
            self.meter.add(self.step, self.update(self.step, batches, factor))
            self.step += 1
            parts.average.follow(self.step)

            if clock.due(self.step, self.curves.interval):
                self._evaluate(factor, display)
            elif clock.due(self.step, log_every):
                self.writers.progress(self._progress(factor), self.past.steps + self.step)
            status = self.ended() or ("interrupted" if interruption.signal else None)
            if status or interruption.asks_for_state or saving.is_due(self.step):
                interruption.asks_for_state = False
                with self._between_steps():
                    saving.done(self._save())
            self.stopwatch.step(self.step)
            display.step(self.step)
        self.profiler.close()
        if self.ended():
            with self._between_steps(), parts.average.in_place():
                self.writers.projection(self.exhibition.part, self.exhibition.projection())
        return status

    @property
    def rate(self) -> float:
        """What the schedule is multiplied with, after what was seen of the run."""
        return self.curves.rate * self.parts.remedy.factor**self.returns

    def close(self) -> None:
        """Closes the records, and leaves `best` as the saved state knows it."""
        with suppress(OSError):  # it is known already why nothing can be written
            self.writers.lines(BROKEN, self.parts.unread.news())
        self.profiler.close()
        self.writers.close()
        self.settle_best()

    def settle_best(self) -> None:
        """Lets the file of the best model be the one that the saved state knows of."""
        step = self._saved_best["step"] - self.past.steps if self._saved_best else None
        self.run.checkpoints.settle_best(None if step is None else {"stage": self.parts.stage, "step": step})

    def summary(self, status: str, reason: str | None) -> dict[str, Any]:
        """What summary.json says of the run: of its last stage, and below `stages` of each where there are several.

        Counts, such as that of captured steps, and times are the whole run's.
        """
        several = {"stages": self._stages(status)} if self.parts.config["stages"] else {}
        return {
            "run": str(self.run.path),
            "status": status,
            "reason": reason,
            "epochs": self.past.epochs + self.parts.clock.epoch(self.step),
            "steps": self.past.steps + self.step,
            "seconds": self.stopwatch.seconds(),
            "examples_per_second": self.stopwatch.examples_per_second(),
            "data_wait": self.waiting.share(),
            **self._result(),
            "best": self._saved_best,
            **several,
            **self._captured(),
            **self.profiler.facts(),
            **({"left_out": self.meter.left_out} if self.meter.left_out else {}),
            **({"broken": len(self.parts.unread.found)} if self.parts.unread.found else {}),
        }

    def _captured(self) -> Ways:
        """Of each objective how many of the run's steps were captured, or compiled, and what kept more from it.

        Nothing where none was tried.
        """
        tried = {name: captured.described() for name, captured in self.update.captured.items() if captured.was_tried}
        kind = "compiled" if self.parts.settings.compile else "captured"
        return together(self._captured_before, {kind: tried} if tried else {})

    def passed(self, status: str) -> Past:
        """The past of the stage that follows this one."""
        clock, order, step = self.parts.clock, self.parts.order, self.step
        return Past(
            self.past.steps + step,
            self.past.epochs + clock.epoch(step),
            self.past.examples + order.seen(step),
            self.stopwatch.seconds(),
            self._stages(status),
            self._lengths,
            self.parts.unread.state(),
            self._captured(),
        )

    def ended(self) -> str | None:
        """How the stage has ended, None where it goes on."""
        if self.step >= self.parts.clock.total:
            return "finished"
        return "stopped_early" if self.curves.have_stalled() else None

    def _show_examples(self) -> None:
        """At the start of a stage a picture of its first batch, where that is augmented images."""
        picture = augmented_examples(self.parts, 1, self.parts.stage, 0) if self.step == 0 else None
        if picture is not None:
            self.writers.samples("train", [picture], self.past.steps)

    def _progress(self, factor: float) -> Numbers:
        """The means since the last time of objective and gradient norm, what waiting took, and the step's rate."""
        self._check()
        numbers = {**self.meter.read(), **self.waiting.read()}
        for name, optimizer in self.parts.optimizers.items():
            numbers["lr" if name == "model" else f"{name}/lr"] = optimizer.rule.lr * factor
        return numbers

    def _evaluate(self, factor: float, display: Display) -> None:
        progress = self._progress(factor)
        with self._between_steps(), self.parts.average.in_place():
            is_best = self.curves.evaluate(self.step, self.stopwatch.seconds(), progress)
            assert self.curves.last is not None
            self.writers.evaluation(self.curves.last, self.curves.completed_epoch)
            samples = self.exhibition.samples(self.step, self.curves.interval)
            self.writers.samples(self.exhibition.part, samples, self.past.steps + self.step)
            if is_best:
                self.run.checkpoints.set_aside_best(state.trained(self.parts, self.step))
        display.evaluation(self.curves.last, is_best)

    def _save(self) -> float:
        """Saves the state of the run; returns the seconds it took."""
        began = time.monotonic()
        self._check()  # a state that has diverged must not replace one that has not
        saved = state.whole(self.parts, self.step, self.meter)
        state.check_finite(saved, self.parts, self.step)
        self._lengths = self.writers.sync()
        saved.facts.update(self.past.facts(), seconds=self.stopwatch.seconds(), lengths=self._lengths)
        saved.facts.update(curves=self.curves.state(), returns=self.returns)
        saved.facts.update(pieces=self.update.pieces.count, broken=self.parts.unread.state())
        saved.facts.update(captured=self._captured())
        saved.facts.update(forms={name: captured.forms for name, captured in self.update.captured.items()})
        self.run.checkpoints.save_last(saved, self.parts.settings.keep)
        self._saved_best = self._best()
        return time.monotonic() - began

    @contextmanager
    def _between_steps(self) -> Iterator[None]:
        """Within it time is not that of steps."""
        with self.waiting.apart(), self.profiler.apart():
            yield

    def _check(self) -> None:
        """DivergedError where too many updates were left out; they, and examples that are broken, are written down."""
        self.writers.lines(BROKEN, self.parts.unread.news())
        try:
            self.writers.lines(LEFT_OUT, (record(self.parts, failure) for failure in self.meter.check()))
        except DivergedError as error:
            if error.failure:
                self.step = error.failure.step  # so many were made
            raise

    def _stages(self, status: str) -> list[dict[str, Any]]:
        """How every stage so far has ended, or stands."""
        best = self._saved_best and {key: self._saved_best[key] for key in ("metric", "value", "step")}
        return [*self.past.stages, {"status": status, "steps": self.step, **self._result(), "best": best}]

    def _result(self) -> dict[str, Any]:
        """The model, and what the last evaluation measured."""
        curves = self.curves
        return {
            "model": {"type": self.parts.plain["model"]["type"], "parameters": self._parameters},
            "train": curves.metrics_of(curves.last, "train"),
            "dev": curves.metrics_of(curves.last, "dev"),
        }

    def _best(self) -> dict[str, Any] | None:
        """The best model so far; it lies in its file as soon as the state is saved."""
        watch, best = self.curves.watch, self.curves.best
        if watch is None or best is None:
            return None
        return {
            "metric": watch.metric,
            "value": watch.value,
            "step": self.past.steps + watch.step,
            "checkpoint": str(self.run.checkpoints.best),
            "metrics": self.curves.metrics_of(best, watch.metric.partition("/")[0]),
        }


def _steps(parts: Parts, duration: Duration | str, otherwise: int) -> int:
    """A duration in steps; `auto`, and wall time, are something else."""
    if isinstance(duration, Duration) and duration.unit in ("epochs", "steps", "%"):
        return parts.clock.steps(duration)
    return otherwise
