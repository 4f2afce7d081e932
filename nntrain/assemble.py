"""From a config to everything that a run needs: the order, visible, in one function."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nntrain.clock import Clock
from nntrain.config import Document
from nntrain.data import Dataset
from nntrain.data.order import Order
from nntrain.device import Device
from nntrain.errors import MismatchError, UnfitError, UserError
from nntrain.experiment import Experiment, TrainerSettings
from nntrain.layers import Layer, multiply_adds, trace
from nntrain.metrics import Metric
from nntrain.network import Network, head_for
from nntrain.optimizers import Optimizer
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.regularizers import Regularizer
from nntrain.schema import Component, Problem, settings_of
from nntrain.suggest import did_you_mean
from nntrain.tasks import Task


@dataclass(frozen=True)
class Parts:
    """Everything that a run needs, made from a config without mistakes."""

    plain: dict[str, Any]  # the config with every default filled in
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
    order: Order
    clock: Clock
    schedule: Callable[[float], float]
    monitor: str | None  # None without a dev set


def assemble(document: Document, stored: Mapping[str, Tensor] | None = None) -> Parts:
    """Makes all parts, or raises one ConfigError with every mistake that was found.

    What can be made is made even where other sections are wrong, so that mistakes that show only with the data
    are reported with the rest. `stored` is the preparation of a checkpoint, in place of one learned anew.
    """
    reader = Reader(_registry(document))
    sections = dict(document.data)
    task_settings = sections.pop("task") if _lacks_type(sections.get("task")) else {}
    given, plain, _ = reader.settings(settings_of(Experiment), sections, (), "a config")
    failures = _Failures(reader)
    settings: TrainerSettings = given.get("trainer", TrainerSettings())
    seed: int = given.get("seed", 0)

    device = Device("cpu")  # to go on with where the config's is not there
    data = task = model = None
    layers: list[Layer] = []
    with failures.collected(("trainer",)):
        device = Device(settings.device, settings.precision, settings.threads)
    if "data" in given:
        failures.giver = given["data"].name
        with failures.collected(("data",)):
            data = given["data"](device.torch, stored)
    if data is not None:
        task, plain["task"] = _task(reader, failures, given.get("task"), task_settings, data)
        if "model" in given:
            with failures.collected(("model",)):
                device.seed(seed, 0)
                model = _network(given["model"], data).to(device.torch)
                layers = _traced(model, data)
                device.use_threads(multiply_adds(layers) * data.batch_size)

    metrics = _metrics(reader, failures, task, data, given.get("metrics", []))
    regularizers = _regularizers(failures, model, given.get("regularizers", []))
    optimizers: dict[str, Optimizer] = {}
    if "optimizer" in given:
        with failures.collected(("optimizer",)):
            rule = given["optimizer"]()
            if task is not None and model is not None:
                optimizers = {o.name: Optimizer(rule, o.part_of(model)) for o in task.objectives}
    order = clock = schedule = None
    if data is not None:
        train = data.split("train")
        assert train is not None
        order = Order(len(train), data.batch_size, settings.accumulate, seed)
        with failures.collected(("trainer", "length")):
            clock = Clock.of(settings.length, order.steps_per_epoch)
    if clock and "scheduler" in given:
        with failures.collected(("scheduler",)):
            schedule = given["scheduler"](clock)
    monitor = _monitor(reader, settings, data, metrics, task)

    if reader.problems:
        raise document.error(reader.problems)
    assert data and task and model and order and clock and schedule
    return Parts(
        plain, seed, settings, device, data, model, layers, task, metrics, regularizers, optimizers, order, clock,
        schedule, monitor,
    )  # fmt: skip


class _Failures:
    """Turns what components refuse into problems of the config."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.giver = "the data"

    @contextmanager
    def collected(self, path: tuple[str | int, ...]) -> Iterator[None]:
        try:
            yield
        except UnfitError as error:
            error.locate(path)
            message = error.given_by(self.giver) if isinstance(error, MismatchError) else str(error)
            self._reader.problems.append(Problem(error.path, message))


def _registry(document: Document) -> Registry:
    """The components of nntrain and of the plug-ins that a config names, relative to the config's file."""
    plugins = document.data.get("plugins") or []
    if not isinstance(plugins, list) or not all(isinstance(p, str) for p in plugins):
        return Registry()  # the reader says what is wrong with it
    missing = []
    for i, plugin in enumerate(plugins):
        mark = document.mark(("plugins", i))
        folder = Path(mark.source).parent if mark.line else Path()
        path = (folder / plugin).resolve()
        plugins[i] = str(path)  # so that the run's config names the same file from any folder
        if not path.is_file():
            missing.append(Problem(("plugins", i), f"there is no file {path}"))
    if missing:
        raise document.error(missing)
    return Registry(map(Path, plugins))


def _task(
    reader: Reader, failures: _Failures, chosen: Component | None, settings: dict[str, Any], data: Dataset
) -> tuple[Task | None, dict[str, Any] | None]:
    """The task that the config names, else the one that the targets suggest; and its plain form."""
    if chosen is not None:
        with failures.collected(("task",)):
            return chosen(data.targets), chosen.plain
    inferred = reader.component("task", {"type": data.targets.task, **settings}, ("task",))
    if inferred is None:
        return None, None
    with failures.collected(("task",)):
        return inferred(data.targets), inferred.plain
    return None, None


def _lacks_type(task: object) -> bool:
    """Whether a section gives settings of the task that the targets suggest."""
    return isinstance(task, dict) and bool(task) and "type" not in task


def _network(chosen: Component, data: Dataset) -> nn.Module:
    """A model that takes targets makes its own outputs; any other is a body and gets the head that fits."""
    try:
        if chosen.takes("outputs"):
            return chosen(data.inputs, data.targets)
        body = chosen(data.inputs)
        return Network(body, head_for(data.targets, body.features))
    except (UnfitError, UserError):
        raise
    except Exception as error:
        raise UnfitError(f"{chosen.name} cannot be made for {data.inputs}: {_reason(error)}") from error


def _traced(model: nn.Module, data: Dataset) -> list[Layer]:
    """The layers for one example; a model that fails on it is refused."""
    train = data.split("train")
    assert train is not None
    example = next(iter(train.in_order())).inputs[:1]
    try:
        return trace(model, example)
    except Exception as error:
        raise UnfitError(f"the model fails on {data.inputs}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """A model's own error in one line; its type where that is needed to understand it."""
    text = " ".join(str(error).split())
    return text if isinstance(error, RuntimeError) else f"{type(error).__name__}: {text}"


def _metrics(
    reader: Reader, failures: _Failures, task: Task | None, data: Dataset | None, extra: list[Component]
) -> dict[str, Metric]:
    """The task's metrics and those that the config adds, by name."""
    chosen: dict[str, Component] = {}
    if task is None or data is None:
        return {}
    for name in task.metrics:
        component = reader.component("metric", name, ("task",))
        if component is not None:
            chosen[name] = component
    chosen |= {component.name: component for component in extra}
    metrics: dict[str, Metric] = {}
    for name, component in chosen.items():
        with failures.collected(component.path):
            metrics[name] = component(data.targets)
    return metrics


def _regularizers(failures: _Failures, model: nn.Module | None, chosen: list[Component]) -> list[Regularizer]:
    regularizers = []
    for component in chosen:
        with failures.collected(component.path):
            regularizer: Regularizer = component()
            regularizers.append(regularizer)
            if model is not None:
                regularizer.bind(dict(model.named_parameters()))
    return regularizers


def _monitor(
    reader: Reader,
    settings: TrainerSettings,
    data: Dataset | None,
    metrics: Mapping[str, Metric],
    task: Task | None,
) -> str | None:
    """The metric that says which checkpoint is best, spelt `dev/error_rate`."""
    if data is None or task is None:
        return None
    has_dev = data.split("dev") is not None
    names = [f"{part}/{name}" for part in (("train", "dev") if has_dev else ("train",)) for name in ("loss", *metrics)]
    stopping = settings.early_stopping
    for path, name in (
        (("trainer", "monitor"), settings.monitor),
        (("trainer", "early_stopping", "monitor"), stopping.monitor if stopping else None),
    ):
        if name not in (None, "auto", *names):
            reader.problems.append(Problem(path, f"unknown metric '{name}'; {did_you_mean(name, names)}"))
    if stopping and not has_dev and not (stopping.monitor or settings.monitor).startswith("train/"):
        message = "there is no dev set to watch; set data.split.dev, or monitor a train/ metric"
        reader.problems.append(Problem(("trainer", "early_stopping"), message))
    if settings.monitor != "auto":
        return settings.monitor
    return f"dev/{task.metrics[0]}" if has_dev else None


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Loads a checkpoint's weights; UserError where they are of another network."""
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise UserError(f"{source}: its weights are not of this network: {first}") from None
