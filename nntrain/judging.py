"""What a run is judged by: its metrics, and the one that is watched."""

from collections.abc import Mapping

from nntrain.attempts import Attempts
from nntrain.data import Dataset
from nntrain.experiment import TrainerSettings
from nntrain.metrics import Metric
from nntrain.metrics.parts import OfPart, Views
from nntrain.reader import Reader
from nntrain.schema import Component, Path, Problem
from nntrain.suggest import did_you_mean
from nntrain.tasks import Task


def metrics_of(attempt: Attempts, task: Task, extra: list[Component]) -> dict[str, Metric]:
    """The task's metrics and those that the config adds, by name."""
    usual = {name: attempt.reader.component("metric", name.rpartition("/")[2], ("task",)) for name in task.metrics}
    chosen = {**usual, **task.more_metrics, **{component.name: component for component in extra}}
    made = {name: _metric(attempt, task, name, component) for name, component in chosen.items()}
    return {name: metric for name, metric in made.items() if metric is not None}


def _metric(attempt: Attempts, task: Task, name: str, component: Component | None) -> Metric | None:
    """A metric of all that the task predicts, or of a part of it where its name is part/metric."""
    measured = task.targets if task.measured is None else task.measured
    part = name.rpartition("/")[0]
    if isinstance(measured, Views) and component is not None:
        part = measured.part_for(component)
    if not part:
        return attempt.make(component, measured)
    metric = attempt.make(component, measured.part(part))
    return None if metric is None else OfPart(part, metric)


def monitor_of(
    reader: Reader,
    settings: TrainerSettings,
    data: Dataset,
    metrics: Mapping[str, Metric],
    task: Task,
) -> str | None:
    """The metric that says which checkpoint is best, spelt `dev/error_rate`."""
    has_dev = data.split("dev") is not None
    measured = ("loss", *metrics) if task.measures_loss else tuple(metrics)
    names = [f"{part}/{name}" for part in (("train", "dev") if has_dev else ("train",)) for name in measured]
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
