"""The three learning curves: objective, error on the training set, error on the dev set; and what they say."""

import math
from collections.abc import Mapping
from typing import Any

from nntrain.data import Split
from nntrain.evaluate import Numbers, evaluate
from nntrain.layers import multiply_adds
from nntrain.metrics import Metric
from nntrain.parts import Parts
from nntrain.past import Past
from nntrain.plateau import Plateau
from nntrain.watch import Watch

MOST_SAMPLED = 10_000  # training examples whose error is measured at an evaluation
SECONDS_PER_STEP = {"cpu": 4e-4, "cuda": 1e-3}  # what a step costs beside its arithmetic
OPERATIONS_PER_SECOND = {"cpu": 5e10, "cuda": 5e12}


class Curves:
    """Measures the model on a fixed sample of the training set and on the dev set, and remembers the best.

    The training error is measured in eval mode on as many examples as the dev set has (at most 10,000), so that
    it can be compared with the dev error.
    """

    def __init__(self, parts: Parts, stored: dict[str, Any] | None, past: Past) -> None:
        self._parts = parts
        self._past = past
        self._splits = _splits(parts)
        self.interval = _interval(parts)
        self.last: dict[str, Any] | None = None  # the last evaluation, as in metrics.jsonl
        self.completed_epoch: int | None = None  # the epoch that was completed since the evaluation before
        self.best: dict[str, Any] | None = None  # the evaluation of the best model
        self.watch = _watch(parts.monitor, parts.metrics, 0.0)
        stopping = parts.settings.early_stopping
        self._patience = parts.clock.steps(stopping.patience) if stopping else None
        self._stopping = (
            _watch(stopping.monitor or parts.monitor, parts.metrics, stopping.min_change) if stopping else None
        )
        self._plateau = _plateau(parts)
        if stored is not None:
            self._restore(stored)

    @property
    def rate(self) -> float:
        """What the learning rate is to be multiplied with, as a metric stands still."""
        return self._plateau.rate if self._plateau else 1.0

    def evaluate(self, step: int, seconds: float, progress: Numbers) -> bool:
        """Measures a point of every curve, `last`, at a step of the stage; whether the model is its best so far."""
        parts, past = self._parts, self._past
        measured = {
            name: evaluate(parts.model, parts.task, split, parts.metrics, parts.device).numbers
            for name, split in self._splits.items()
        }
        epoch = past.epochs + parts.clock.epoch(step)
        record: dict[str, Any] = {
            **({"stage": parts.stage} if parts.config["stages"] else {}),
            "step": past.steps + step,
            "epoch": epoch,
            "examples": past.examples + parts.order.seen(step),
            "seconds": round(seconds, 3),
            "train": measured["train"] | progress,
            "dev": measured.get("dev"),
        }
        completed = math.floor(epoch) > math.floor(self.last["epoch"] if self.last else past.epochs)
        self.completed_epoch = math.floor(epoch) if completed else None
        self.last = record
        is_best = self.watch is not None and self.watch.see(_value(record, self.watch), step)
        if is_best:
            self.best = record
        if self._stopping is not None:
            self._stopping.see(_value(record, self._stopping), step)
        if self._plateau is not None:
            self._plateau.see(_value(record, self._plateau.watch), step)
        return is_best

    def have_stalled(self) -> bool:
        """Whether early stopping's patience is over."""
        if self._stopping is None or self._patience is None or self.last is None:
            return False
        return self._step() - self._stopping.step >= self._patience

    def metrics_of(self, record: Mapping[str, Any] | None, part: str) -> Numbers:
        """The loss and the metrics of a part of a record, without the progress of the training."""
        numbers = (record or {}).get(part) or {}
        metrics = self._parts.metrics
        return {name: n for name, n in numbers.items() if name.partition("/")[0] == "loss" or name in metrics}

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        watches = (self.watch, self._stopping)
        return {
            "last": self.last,
            "best": self.best,
            "watches": [w and w.state() for w in watches],
            "plateau": self._plateau and self._plateau.state(),
        }

    def _step(self) -> int:
        """The step of the stage at which it was measured last."""
        return self.last["step"] - self._past.steps if self.last else 0

    def _restore(self, stored: dict[str, Any]) -> None:
        """Goes on from a checkpoint; a metric that was not watched before is watched from here on."""
        self.last = stored["last"]
        step = self._step()
        best, stopping = stored["watches"]
        if self.watch is not None and self.watch.restore([best], step):
            self.best = stored["best"]
        if self._stopping is not None:
            self._stopping.restore([stopping, best], step)
        if self._plateau is not None:
            self._plateau.restore(stored["plateau"], step)


def _splits(parts: Parts) -> dict[str, Split]:
    train, dev = parts.data.train, parts.data.split("dev")
    size = min(MOST_SAMPLED, len(dev) if dev is not None else MOST_SAMPLED)
    sample = {"train": train.sample(size, seed=0)}
    return sample if dev is None else {**sample, "dev": dev}


def _interval(parts: Parts) -> int:
    """Steps between evaluations."""
    clock, every = parts.clock, parts.settings.evaluate
    if every != "auto":
        return clock.steps(every)
    kind = parts.device.torch.type
    order = parts.order
    work = multiply_adds(parts.layers, order.examples, order.batches_per_epoch)
    arithmetic = 6 * work / OPERATIONS_PER_SECOND[kind]
    return clock.evaluation_interval(arithmetic + clock.steps_per_epoch * SECONDS_PER_STEP[kind])


def _watch(monitor: str | None, metrics: Mapping[str, Metric], min_change: float) -> Watch | None:
    if monitor is None:
        return None
    name = monitor.partition("/")[2]
    return Watch(monitor, "lower" if name == "loss" else metrics[name].better, min_change)


def _plateau(parts: Parts) -> Plateau | None:
    settings = parts.settings.plateau
    if settings is None:
        return None
    watch = _watch(settings.monitor or parts.monitor, parts.metrics, settings.min_change)
    assert watch is not None  # a config without it is refused
    return Plateau(watch, parts.clock.steps(settings.patience), settings.factor, settings.least)


def _value(record: Mapping[str, Any], watch: Watch) -> float:
    part, _, name = watch.metric.partition("/")
    return record[part][name]
