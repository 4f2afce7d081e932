"""From a config to everything that a run needs: the order, visible, in one function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from nntrain.averages import Average, NoAverage
from nntrain.batch import Batch
from nntrain.batch_statistics import BatchStatistics
from nntrain.binding import bind
from nntrain.clips import Clip, unclipped
from nntrain.clock import Clock
from nntrain.config import Document
from nntrain.data import Dataset, Learned, Split
from nntrain.data.order import Order
from nntrain.data.places import WithheldError, downloads
from nntrain.device import Device, seed_python
from nntrain.errors import MismatchError, UnfitError, UserError
from nntrain.experiment import Experiment, TrainerSettings
from nntrain.groups import Grouped
from nntrain.initializers.previous_stage import FromPreviousStage
from nntrain.layers import Layer, multiply_adds, trace_example
from nntrain.metrics import Metric
from nntrain.metrics.parts import OfPart
from nntrain.network import network_for
from nntrain.optimizers import Optimizer
from nntrain.out_of_memory import is_out_of_memory
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.regularizers import Regularizer
from nntrain.remedies import Remedy
from nntrain.schema import Component, Path, Problem, settings_of
from nntrain.specs import Outputs
from nntrain.suggest import did_you_mean
from nntrain.tasks import Task
from nntrain.update import Update

T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """Everything that a stage of a run needs, made from a config without mistakes."""

    plain: dict[str, Any]  # the stage's config with every default filled in
    seed: int
    settings: TrainerSettings
    device: Device
    data: Dataset
    model: nn.Module
    layers: list[Layer]  # for one example
    task: Task
    metrics: Mapping[str, Metric]
    regularizers: list[Regularizer]
    optimizers: Mapping[str, Optimizer]
    clip: Clip
    average: Average
    remedy: Remedy
    order: Order
    clock: Clock
    schedule: Callable[[float], float]
    monitor: str | None  # None without a dev set
    stage: int  # its number, 0 where the run has only one
    config: dict[str, Any]  # the whole run's
    taken_over: list[str]  # what was taken from networks that were trained before, in words

    def update(self) -> Update:
        """The update that trains these parts."""
        return Update(
            self.model,
            self.task.objectives,
            self.optimizers,
            self.regularizers,
            self.device,
            self.clip,
            self.settings.gradient_norms,
            self.remedy.skips,
            self.settings.oom,
        )


@dataclass(frozen=True)
class Trained:
    """What a trained model is used with."""

    plain: dict[str, Any]
    device: Device
    data: Dataset
    model: nn.Module
    task: Task
    metrics: Mapping[str, Metric]


def assemble(
    document: Document, stage: int = 0, before: Mapping[str, Tensor] | None = None, goes_on: bool = False
) -> Parts:
    """Makes all parts, or raises one ConfigError with every mistake that was found.

    What can be made is made even where other sections are wrong, so that mistakes that show only with the data
    are reported with the rest; but nothing is downloaded for a config that is wrong already. The config is that of
    one stage, and `before` what the model of the stage before it has learned, by name. For a run that `goes_on`,
    whose weights come from its checkpoint, no rule fills them.
    """
    reader = Reader(registry_of(document), document.absolute)
    attempt = _Attempts(reader)
    given, plain, task_settings = read(reader, document)
    settings: TrainerSettings = given.get("trainer", TrainerSettings())
    seed: int = given.get("seed", 0)

    device = attempt(("trainer",), Device, settings.device, settings.precision, settings.threads) or Device("cpu")
    device.use_precision()
    device.seed(seed, 2)
    seed_python(seed)
    made = _made(attempt, given.get("optimizer"))
    source: Component | None = given.get("data") or reader.partly_right.get(("data",))
    attempt.giver = source.name if source else ""
    with downloads(allowed=not reader.problems):
        data: Dataset | None = attempt.make(source, device.torch, None)
    task, plain["task"] = _task(attempt, given.get("task"), task_settings, data) if data else (None, None)
    chosen: Component | None = given.get("model")
    if task is None or (chosen and chosen.takes("outputs") and _is_wrong(reader, "task")):
        chosen = None  # what it is to put out is not known
    model = attempt(("model",), _network, chosen, data, task.targets, device, seed) if data and task else None
    if model and data and task:
        attempt(("task",), _prepared, task, model, data)
    taken_over: list[str] = []
    if model and data and task and not goes_on:
        taken_over = _initialize(attempt, model, given.get("init", []), task.targets, data.train, before)
    layers = attempt(("model",), _traced, model, data, device) if model and data else None
    metrics = _metrics(attempt, task, given.get("metrics", [])) if task else {}
    regularizers = _regularizers(attempt, model, given.get("regularizers", []))
    rules = _rules(attempt, made, task) if task else {}
    clip = _clip(attempt, settings.clip, rules, model)
    order = attempt(("data",), _order, data, settings.accumulate, seed, stage) if data else None
    clock = attempt(("trainer", "length"), Clock.of, settings.length, order.steps_per_epoch) if order else None
    schedule = attempt.make(given.get("scheduler"), clock) if clock else None
    average: Average = NoAverage()
    if settings.average and model and data and task and order and clock:
        statistics = BatchStatistics(model, task.objectives, data.train, order, device, seed)
        average = attempt.make(settings.average, clock, statistics)
    remedy: Remedy = _remedy(attempt, settings.on_nan)
    monitor = _monitor(reader, settings, data, metrics, task) if task and data else None
    optimizers = _optimizers(attempt, rules, made, task, model, clock) if task and model else {}

    if model and data and task and order and not reader.problems:
        attempt(("task",), _checked, task, data, order, device)
    if model and data and task and order and not reader.problems:
        attempt(("model",), _tried, model, data, task, metrics, regularizers, order, device)
    if reader.problems:
        raise document.error(reader.problems)
    assert data and task and model and layers is not None and order and clock and schedule
    return Parts(
        plain, seed, settings, device, data, model, layers, task, metrics, regularizers, optimizers, clip,
        average, remedy, order, clock, schedule, monitor, stage, plain, taken_over,
    )  # fmt: skip


def recall(document: Document, learned: Learned, arithmetic: int) -> Trained:
    """The parts that a trained model is used with, without reading its training data; ConfigError where not.

    `arithmetic` is the multiply-adds of a batch, which the threads depend on.
    """
    reader = Reader(registry_of(document), document.absolute)
    attempt = _Attempts(reader)
    given, plain, task_settings = read(reader, document)
    settings: TrainerSettings = given.get("trainer", TrainerSettings())
    seed: int = given.get("seed", 0)
    device = attempt(("trainer",), Device, settings.device, settings.precision, settings.threads) or Device("cpu")
    device.use_precision()
    device.use_threads(arithmetic)
    data: Dataset | None = attempt.make(given.get("data"), device.torch, learned)
    task, plain["task"] = _task(attempt, given.get("task"), task_settings, data) if data else (None, None)
    model = attempt(("model",), _network, given.get("model"), data, task.targets, device, seed) if task else None
    if model and data and task:
        attempt(("task",), _prepared, task, model, data)
    _regularizers(attempt, model, given.get("regularizers", []))
    metrics = _metrics(attempt, task, given.get("metrics", [])) if task else {}
    if reader.problems:
        raise document.error(reader.problems)
    assert data and task and model
    device.seed(seed, 2)  # as when it was trained: data is read from here on, and some of it is drawn at random
    seed_python(seed)
    return Trained(plain, device, data, model, task, metrics)


class _Attempts:
    """Calls that may be refused: a refusal becomes a problem of the config, and the result None."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.giver = ""  # the data set, for messages

    def __call__(self, path: Path, function: Callable[..., T], *arguments: Any) -> T | None:
        try:
            return function(*arguments)
        except UnfitError as error:
            error.locate(path)
            message = error.given_by(self.giver) if isinstance(error, MismatchError) else str(error)
            self.reader.problems.append(Problem(error.path, message))
        except UserError as error:
            self.reader.problems.append(Problem(path, str(error)))
        except WithheldError:
            if not self.reader.problems:  # else those are to be mended before the set is worth a download
                raise
        except Exception as error:
            self.reader.problems.append(Problem(path, f"failed: {_reason(error)}"))
        return None

    def make(self, component: Component | None, *arguments: Any) -> Any:
        """The component for these arguments; None also where the config has none that is right."""
        return None if component is None else self(component.path, component, *arguments)


def read(reader: Reader, document: Document) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The sections that are right, their plain form, and settings of a task whose type the data is to suggest."""
    sections = dict(document.data)
    task = sections.get("task")
    task_settings = sections.pop("task") if isinstance(task, dict) and task and "type" not in task else {}
    given, plain, _ = reader.settings(settings_of(Experiment), sections, (), "a config")
    return given, plain, task_settings


def registry_of(document: Document) -> Registry:
    """The components of nntrain and of the plug-ins that a config names, relative to the config's file."""
    plugins = document.data.get("plugins") or []
    if not isinstance(plugins, list) or not all(isinstance(p, str) for p in plugins):
        return Registry()  # the reader says what is wrong with it
    missing = []
    for i, plugin in enumerate(plugins):
        path = document.absolute(("plugins", i), plugin)
        plugins[i] = str(path)  # so that the run's config names the same file from any folder
        if not path.is_file():
            missing.append(Problem(("plugins", i), f"there is no file {path}"))
    if missing:
        raise document.error(missing)
    return Registry(map(FilePath, plugins))


def _task(
    attempt: _Attempts, chosen: Component | None, settings: dict[str, Any], data: Dataset
) -> tuple[Task | None, dict[str, Any] | None]:
    """The task that the config names, else the one that the targets suggest; and its plain form."""
    task = attempt.make(chosen, *_looked_at(chosen, data)) if chosen else None
    if task is None:
        chosen = attempt.reader.component("task", {"type": data.targets.task, **settings}, ("task",))
        task = attempt.make(chosen, *_looked_at(chosen, data)) if chosen else None
    return task, chosen.plain if chosen else None


def _looked_at(task: Component, data: Dataset) -> list[Any]:
    """What a task is made for: the data's targets, or its inputs; and all that is known of the training set."""
    subject = data.inputs if task.takes("inputs") else data.targets
    return [subject, data.learned] if task.takes("learned") else [subject]


def _is_wrong(reader: Reader, section: str) -> bool:
    return any(problem.path[:1] == (section,) for problem in reader.problems)


def _network(chosen: Component | None, data: Dataset, targets: Outputs, device: Device, seed: int) -> nn.Module | None:
    """The network, with weights that depend on the seed alone."""
    if chosen is None:
        return None
    device.seed(seed, 0)
    seed_python(seed)
    try:
        model = network_for(chosen, data.inputs, targets)
    except MismatchError as error:
        error.others = chosen.others(type(data.inputs), type(targets))
        raise
    except (UnfitError, UserError):
        raise
    except Exception as error:
        raise UnfitError(f"{chosen.name} cannot be made for {data.inputs}: {_reason(error)}") from error
    return model.to(device.torch)


def _prepared(task: Task, model: nn.Module, data: Dataset) -> None:
    """Lets a task that has parts of its own in the network put them there."""
    prepare = getattr(task, "prepare", None)
    if prepare is not None:
        prepare(model, data.inputs, task.targets)


def _initialize(
    attempt: _Attempts,
    model: nn.Module,
    chosen: list[Component] | Component,
    targets: Outputs,
    train: Split,
    before: Mapping[str, Tensor] | None,
) -> list[str]:
    """Lets the rules fill the parameters that they match, from the generator that the model was made with.

    A rule that takes `targets` looks at the training set, one that takes `before` at what the stage before has
    learned; that comes last where no rule takes it. Returns what was taken over from other networks.
    """

    def looked_at(rule: Component) -> tuple[Any, ...]:
        return (before,) if rule.takes("before") else (targets, train) if rule.takes("targets") else ()

    rules = [chosen] if isinstance(chosen, Component) else chosen
    fills = [(rule.path, attempt.make(rule, *looked_at(rule))) for rule in rules]
    if before is not None and not any(rule.takes("before") for rule in rules):
        fills.append((("model",), partial(_go_on_from, before)))
    taken_over: list[str] = []
    for path, fill in fills:
        taken = attempt(path, fill, model) if fill is not None else None
        taken_over += [f"{'.'.join(map(str, path))}: {taken}"] if taken else []
    return taken_over


def _go_on_from(before: Mapping[str, Tensor], model: nn.Module) -> str:
    """Takes over all that fits; where nothing does, a rule is to say how the names are changed."""
    try:
        return FromPreviousStage(before)(model)
    except UnfitError as error:
        rule = "init: [{type: previous_stage, rename: {PATTERN: NAME}}]"
        raise UnfitError(f"{error}; where parts have other names now, write {rule}") from None


def _traced(model: nn.Module, data: Dataset, device: Device) -> list[Layer]:
    """The layers for one example; a model that fails on it is refused. Sets the threads that it is worth."""
    first = torch.zeros(1, dtype=torch.long, device=device.torch)
    example, twice = next(data.train.stream([[first, first.repeat(2)]]))
    try:
        layers = trace_example(model, example.inputs, twice.inputs)
    except Exception as error:
        raise UnfitError(f"the model fails on {data.inputs}: {_reason(error)}") from error
    device.use_threads(multiply_adds(layers, data.batch_size))
    return layers


def _order(data: Dataset, accumulate: int, seed: int, stage: int) -> Order:
    return Order(len(data.train), data.batch_size, accumulate, seed, data.sampler, stage)


def first_batch(data: Dataset, order: Order, device: Device) -> Batch:
    """The batch that the first step of a run sees (the first of several, where it accumulates)."""
    return next(data.train.stream(order.updates(0, device.torch)))[0]


def _checked(task: Task, data: Dataset, order: Order, device: Device) -> None:
    """Lets a task that cannot learn from all data look at the first batch."""
    check = getattr(task, "check", None)
    if check is not None:
        check(first_batch(data, order, device))


def _tried(
    model: nn.Module,
    data: Dataset,
    task: Task,
    metrics: Mapping[str, Metric],
    regularizers: list[Regularizer],
    order: Order,
    device: Device,
) -> None:
    """One forward pass of training and one of evaluation, without a step: what fails in them is refused here.

    The model's buffers are put back; the generators are seeded anew before the first step.
    """
    batch = first_batch(data, order, device)
    seen = next(data.train.sample(len(batch.targets), 0).in_order())  # as evaluation sees them: never augmented
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    check_inputs = getattr(model, "check_inputs", None)  # of a model that not all numbers are good for
    try:
        if check_inputs is not None:
            check_inputs(batch.inputs)
        with torch.no_grad(), device.precision():
            for objective in task.objectives:
                value = objective.loss(objective.outputs(model.train(), batch), batch).over(objective.counts(batch))
                if value.shape != ():
                    raise UnfitError(f"the loss of a batch is to be one number, not of shape {tuple(value.shape)}")
            for regularizer in regularizers:
                regularizer.penalty()
            outcome = task.evaluate(model.eval(), seen)
            for metric in metrics.values():
                metric.measure(outcome.predictions, outcome.targets)
    except UnfitError:
        raise
    except Exception as error:
        raise UnfitError(f"the first batch of {len(batch.targets)} examples fails: {_reason(error)}") from error
    finally:
        model.train()
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])


def _reason(error: Exception) -> str:
    """A model's own error in one line; its type where that is needed to understand it."""
    text = " ".join(str(error).split())
    if is_out_of_memory(error) or isinstance(error, OverflowError) or "overflow" in text:
        return "it needs more memory than this machine has"
    return text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}"


def _metrics(attempt: _Attempts, task: Task, extra: list[Component]) -> dict[str, Metric]:
    """The task's metrics and those that the config adds, by name."""
    usual = {name: attempt.reader.component("metric", name.rpartition("/")[2], ("task",)) for name in task.metrics}
    more: dict[str, Component | None] = getattr(task, "more_metrics", {})
    chosen = {**usual, **more, **{component.name: component for component in extra}}
    made = {name: _metric(attempt, task, name, component) for name, component in chosen.items()}
    return {name: metric for name, metric in made.items() if metric is not None}


def _metric(attempt: _Attempts, task: Task, name: str, component: Component | None) -> Metric | None:
    """A metric of all that the task predicts, or of a part of it where its name is part/metric."""
    measured: Any = getattr(task, "measured", task.targets)
    part = name.rpartition("/")[0]
    if not part:
        return attempt.make(component, measured)
    metric = attempt.make(component, measured.part(part))
    return None if metric is None else OfPart(part, metric)


def _made(
    attempt: _Attempts, chosen: Component | dict[str, Component] | None
) -> Grouped | dict[str, Grouped | None] | None:
    """The update rule that the config chooses, or several by the objective's name."""
    if isinstance(chosen, dict):
        return {name: attempt.make(component) for name, component in chosen.items()}
    return attempt.make(chosen)


def _rules(
    attempt: _Attempts, made: Grouped | dict[str, Grouped | None] | None, task: Task
) -> dict[str, Grouped | None]:
    """The update rule of each objective: one for all of them, or each its own."""
    names = [objective.name for objective in task.objectives]
    if not isinstance(made, dict):
        return dict.fromkeys(names, made)
    for name in made:
        if name not in names:
            message = f"the task has no objective '{name}'; {did_you_mean(name, names)}"
            attempt.reader.problems.append(Problem(("optimizer", name), message, on_key=True))
    for name in names:
        if name not in made:
            attempt.reader.problems.append(Problem(("optimizer",), f"names no optimizer for the objective '{name}'"))
    return {name: made.get(name) for name in names}


def _optimizers(
    attempt: _Attempts,
    rules: dict[str, Grouped | None],
    made: Grouped | dict[str, Grouped | None] | None,
    task: Task,
    model: nn.Module,
    clock: Clock | None,
) -> dict[str, Optimizer]:
    """The rules bound to the model; without a clock, the length being wrong, only to find what else is."""
    right = {name: rule for name, rule in rules.items() if rule is not None}
    paths: dict[str, Path] = {name: ("optimizer", name) if isinstance(made, dict) else ("optimizer",) for name in right}
    objectives = [objective for objective in task.objectives if objective.name in right]
    return bind(attempt, right, paths, objectives, model, clock or Clock(1, steps_per_epoch=1))


def _clip(
    attempt: _Attempts, given: Component | float | None, rules: Mapping[str, Grouped | None], model: nn.Module | None
) -> Clip:
    """What clips gradients, refused where a rule looks for the length of its steps: it needs them as they are."""
    path: Path = ("trainer", "clip")
    is_short = isinstance(given, float)
    chosen = attempt.reader.component("clip", {"type": "norm", "limit": given}, path) if is_short else given
    if not isinstance(chosen, Component):
        return unclipped
    if any(getattr(made.rule, "sets_length", False) for made in rules.values() if made):
        message = "this optimizer finds the length of its steps itself; leave clip out"
        attempt.reader.problems.append(Problem(path, message))
    elif model is not None:
        attempt.make(chosen, model)
    return chosen


def _remedy(attempt: _Attempts, given: Component | str) -> Remedy:
    """What becomes of a run that diverges; of a config without mistakes it is a component."""
    made: Remedy | None = attempt.make(given) if isinstance(given, Component) else None
    return made or Remedy()


def _regularizers(attempt: _Attempts, model: nn.Module | None, chosen: list[Component]) -> list[Regularizer]:
    """The regularizers, bound to the model."""
    made = [(component.path, attempt.make(component)) for component in chosen]
    bound = [(path, regularizer) for path, regularizer in made if regularizer is not None]
    if model is not None:
        for path, regularizer in bound:
            attempt(path, regularizer.bind, model)
    return [regularizer for _, regularizer in bound]


def _monitor(
    reader: Reader,
    settings: TrainerSettings,
    data: Dataset,
    metrics: Mapping[str, Metric],
    task: Task,
) -> str | None:
    """The metric that says which checkpoint is best, spelt `dev/error_rate`."""
    has_dev = data.split("dev") is not None
    names = [f"{part}/{name}" for part in (("train", "dev") if has_dev else ("train",)) for name in ("loss", *metrics)]
    watching = {"early_stopping": settings.early_stopping, "plateau": settings.plateau}
    monitors: list[tuple[Path, str | None]] = [(("trainer", "monitor"), settings.monitor)]
    for section, watch in watching.items():
        if watch is None:
            continue
        monitors.append((("trainer", section, "monitor"), watch.monitor))
        if not has_dev and not (watch.monitor or settings.monitor).startswith("train/"):
            message = "there is no dev set to watch; set data.split.dev, or monitor a train/ metric"
            reader.problems.append(Problem(("trainer", section), message))
    for path, name in monitors:
        if name not in (None, "auto", *names):
            reader.problems.append(Problem(path, f"unknown metric '{name}'; {did_you_mean(name, names)}"))
    if settings.monitor != "auto":
        return settings.monitor
    return f"dev/{(*task.metrics, 'loss')[0]}" if has_dev else None


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], source: FilePath) -> None:
    """Loads a checkpoint's weights; UserError where they are of another network."""
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise UserError(f"{source}: its weights are not of this network: {first}") from None
