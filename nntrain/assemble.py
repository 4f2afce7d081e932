"""From a config to everything that a run needs: the order, visible, in one function."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from nntrain.activation_checkpointing import checkpoint_activations
from nntrain.attempts import Attempts
from nntrain.averages import Average, NoAverage
from nntrain.batch import Batch
from nntrain.batch_statistics import BatchStatistics
from nntrain.bounded import Bounded
from nntrain.clock import Clock
from nntrain.config import Document
from nntrain.data import Dataset, Learned
from nntrain.data.order import Order
from nntrain.data.places import downloads
from nntrain.data.unread import Unread
from nntrain.device import Device, seed_python
from nntrain.errors import UnfitError
from nntrain.experiment import TrainerSettings
from nntrain.first_weights import initialize, network
from nntrain.judging import metrics_of, monitor_of
from nntrain.layers import Layer
from nntrain.memory_format import lay_out
from nntrain.metrics import Metric
from nntrain.optimization import (
    clip_of,
    made_rules,
    optimizers_of,
    regularizers_of,
    remedy_of,
    rules_of,
    settle_ways,
)
from nntrain.optimizers import Optimizer
from nntrain.parts import Parts, Trained
from nntrain.reader import Reader
from nntrain.regularizers import Regularizer
from nntrain.schema import Component, component_settings
from nntrain.sections import read, registry_of
from nntrain.tasks import Task
from nntrain.trial import curved, first_batch, traced, tried


def assemble(
    document: Document,
    stage: int = 0,
    before: Mapping[str, Tensor] | None = None,
    goes_on: bool = False,
    known: Dataset | None = None,
) -> Parts:
    """Makes all parts, or raises one ConfigError with every mistake that was found.

    What can be made is made even where other sections are wrong, so that mistakes that show only with the data
    are reported with the rest; but nothing is downloaded for a config that is wrong already. The config is that of
    one stage, and `before` what the model of the stage before it has learned, by name. For a run that `goes_on`,
    whose weights come from its checkpoint, no rule fills them. Data that is `known` is not read again.
    """
    attempt = Attempts(Reader(registry_of(document), document.absolute))
    given, plain, task_settings = read(attempt.reader, document)
    settings: TrainerSettings = given.get("trainer", TrainerSettings())
    seed: int = given.get("seed", 0)
    device = _device(attempt, settings)
    device.seed(seed, 2)
    seed_python(seed)
    made = made_rules(attempt, given.get("optimizer"))
    data, unread = _data(attempt, given.get("data"), device, settings.skip_broken, known)
    task, plain["task"] = _task(attempt, given.get("task"), task_settings, data) if data else (None, None)
    model = _model(attempt, given.get("model"), data, task, device, seed) if data and task else None
    taken_over: list[str] = []
    if model and data and task and not goes_on:
        taken_over = initialize(attempt, model, given.get("init", []), task.targets, data.train, before)
    layers = attempt(("model",), traced, model, data, device) if model and data else None
    metrics = metrics_of(attempt, task, given.get("metrics", [])) if task else {}
    regularizers = regularizers_of(attempt, model, given.get("regularizers", []))
    rules = rules_of(attempt, made, task) if task else {}
    clip = clip_of(attempt, settings.clip, rules, model)
    settle_ways(attempt, settings, rules, model)
    order = attempt(("data",), _order, data, settings.accumulate, seed, stage) if data else None
    clock = attempt(("trainer", "length"), Clock.of, settings.length, order.steps_per_epoch) if order else None
    schedule = attempt.make(given.get("scheduler"), clock) if clock else None
    average: Average = NoAverage()
    if settings.average and model and data and task and order and clock:
        statistics = BatchStatistics(model, task.objectives, data.train, order, device, seed)
        average = attempt.make(settings.average, clock, statistics)
    remedy = remedy_of(attempt, settings.on_nan)
    monitor = monitor_of(attempt.reader, settings, data, metrics, task) if task and data else None
    optimizers = optimizers_of(attempt, rules, made, task, model, clock) if task and model else {}

    if model and data and task and order:
        _try_out(attempt, settings, model, data, task, metrics, regularizers, optimizers, order, device, layers or [])
    if attempt.reader.problems:
        raise document.error(attempt.reader.problems)
    assert data and unread and task and model and layers is not None and order and clock and schedule
    return Parts(
        plain, seed, settings, device, data, model, layers, task, metrics, regularizers, optimizers, clip,
        average, remedy, order, clock, schedule, monitor, stage, plain, unread, taken_over,
    )  # fmt: skip


def _try_out(
    attempt: Attempts,
    settings: TrainerSettings,
    model: nn.Module,
    data: Dataset,
    task: Task,
    metrics: Mapping[str, Metric],
    regularizers: list[Regularizer],
    optimizers: Mapping[str, Optimizer],
    order: Order,
    device: Device,
    layers: list[Layer],
) -> None:
    """What would fail in the first steps is a mistake of the config; none is looked for behind another."""

    def first() -> Batch:
        return first_batch(data, order)

    trials: dict[str, Callable[[], None]] = {
        "task": lambda: task.check(first()),
        "model": lambda: tried(model, data, task, metrics, regularizers, order, device, layers),
        "optimizer": lambda: curved(model, data, task, optimizers, regularizers, order, device),
    }
    if settings.checkpoint_activations:
        setting = "trainer.checkpoint_activations"
        trials[setting] = lambda: checkpoint_activations(model, task, regularizers, first(), device)
    for place, trial in trials.items():
        if not attempt.reader.problems:
            attempt(tuple(place.split(".")), trial)


def recall(document: Document, learned: Learned, arithmetic: int, weights: Mapping[str, Tensor]) -> Trained:
    """The parts that a trained model is used with, without reading its training data; ConfigError where not.

    `arithmetic` is the multiply-adds of a batch, which the threads depend on. The network may be as large as the
    `weights` are that are to be loaded.
    """
    attempt = Attempts(Reader(registry_of(document), document.absolute))
    given, plain, task_settings = read(attempt.reader, document)
    settings: TrainerSettings = given.get("trainer", TrainerSettings())
    seed: int = given.get("seed", 0)
    device = _device(attempt, settings)
    device.use_threads(arithmetic)
    data: Dataset | None = attempt.make(given.get("data"), device.torch, learned)
    if data and settings.skip_broken:
        _unread_by(data).share = settings.skip_broken
    task, plain["task"] = _task(attempt, given.get("task"), task_settings, data) if data else (None, None)
    with Bounded(weights):
        model = _model(attempt, given.get("model"), data, task, device, seed) if data and task else None
    if model:
        attempt(("trainer",), lay_out, model, settings.channels_last)
    regularizers_of(attempt, model, given.get("regularizers", []))
    metrics = metrics_of(attempt, task, given.get("metrics", [])) if task else {}
    if attempt.reader.problems:
        raise document.error(attempt.reader.problems)
    assert data and task and model
    device.seed(seed, 2)  # as when it was trained: data is read from here on, and some of it is drawn at random
    seed_python(seed)
    return Trained(plain, device, data, model, task, metrics)


def _device(attempt: Attempts, settings: TrainerSettings) -> Device:
    """The device, made ready; the CPU where the config has none that is there."""
    wanted = settings.device, settings.precision, settings.threads, settings.deterministic
    device = attempt(("trainer",), Device, *wanted) or Device("cpu")
    device.use_precision()
    device.use_determinism()
    return device


def _data(
    attempt: Attempts, chosen: Component | None, device: Device, share: float | None, known: Dataset | None
) -> tuple[Dataset | None, Unread | None]:
    """The data, read where it is not known, and what counts the training examples that cannot be read."""
    source = chosen or attempt.reader.partly_right.get(("data",))
    attempt.giver = source.name if source else ""
    with downloads(allowed=not attempt.reader.problems):
        data: Dataset | None = known or attempt.make(source, device.torch, None)
    return data, attempt(("trainer",), _unread, data, share) if data else None


def _unread(data: Dataset, share: float | None) -> Unread:
    """What counts the training examples that cannot be read; UnfitError where all are read before the first step."""
    if share is not None and not getattr(data, "is_read_anew", False):
        message = "nothing is read from files while this data is trained with, so nothing can turn out broken then"
        raise UnfitError(f"{message}; leave it out, or of pictures set data.keep=files", "skip_broken")
    unread = _unread_by(data)
    unread.allow(share)
    return unread


def _unread_by(data: Dataset) -> Unread:
    return getattr(data, "unread", None) or Unread(lambda: len(data.train))


def _task(
    attempt: Attempts, chosen: Component | None, settings: dict[str, Any], data: Dataset
) -> tuple[Task | None, dict[str, Any] | None]:
    """The task that the config names, else the one that the data suggests; and its plain form."""
    chosen = chosen or attempt.reader.partly_right.get(("task",))
    if chosen is None:
        suggested = getattr(data.inputs, "asks_for", data.targets.task)
        chosen = attempt.reader.component("task", {"type": suggested, **settings}, ("task",))
    task = attempt.make(chosen, *_looked_at(chosen, data)) if chosen else None
    if chosen and task is None and not any(its.is_required for its in component_settings(chosen.factory).values()):
        # Its like without the settings that do not fit, so that they hide no other mistake.
        chosen = attempt.reader.component("task", {"type": chosen.name}, ("task",))
        task = attempt.make(chosen, *_looked_at(chosen, data)) if chosen else None
    return task, chosen.plain if chosen else None


def _looked_at(task: Component, data: Dataset) -> list[Any]:
    """What a task is made for: the data's targets, or its inputs; all that is known of the training set; its texts."""
    subject = data.inputs if task.takes("inputs") else data.targets
    known = {"learned": data.learned, "vocabulary": getattr(data, "target_vocabulary", None)}
    return [subject, *(what for name, what in known.items() if task.takes(name))]


def _model(
    attempt: Attempts, chosen: Component | None, data: Dataset, task: Task, device: Device, seed: int
) -> nn.Module | None:
    """The network for what the task lets it see, with what the task needs of it; None where that is not known."""
    if chosen and chosen.takes("outputs") and any(its.path[:1] == ("task",) for its in attempt.reader.problems):
        return None
    seen = task.seen(data.inputs)
    model = attempt(("model",), network, chosen, seen, task.targets, device, seed)
    if model is not None:
        attempt(("task",), task.prepare, model, seen, task.targets)
    return model


def _order(data: Dataset, accumulate: int, seed: int, stage: int) -> Order:
    return Order(len(data.train), data.batch_size, accumulate, seed, data.sampler, stage)
