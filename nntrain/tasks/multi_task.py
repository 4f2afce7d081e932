"""Several things learned at once, by one body with a head for each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.loss import Counts, Loss, Objective
from nntrain.registry import task
from nntrain.samples import Sample
from nntrain.settings import Metric, Positive, section
from nntrain.settings import Task as TaskSetting
from nntrain.specs import Inputs, Several
from nntrain.suggest import did_you_mean
from nntrain.tables import Table
from nntrain.tasks import Detail, Outcome, Task
from nntrain.tasks.given import Given


@section
class HeadSettings:
    """One of the things that are learned at once.

    Settings:
        task: what is learned of the target
        weight: how much its loss counts beside the others'
        metrics: what is measured of it beside the task's own
    """

    def __init__(self, *, task: TaskSetting, weight: Positive = 1.0, metrics: list[Metric] = []) -> None:  # noqa: B006
        self.task = task
        self.weight = weight
        self.metrics = metrics


@task("multi_task")
class MultiTask(Task):
    """Several targets of each example, each learned by a task of its own, by one body with a head for each.

    L = sum over heads of weight * L_head

    Metrics are called head/metric, such as parity/error_rate; a run is judged by the first one of the first head.

    Source: Caruana, Multitask learning, 1997.

    Settings:
        heads: by the target's name what is learned of each, {task, weight, metrics}; a target that is not named is
            not looked at
    """

    def __init__(self, targets: Several, *, heads: dict[str, HeadSettings]) -> None:
        self.targets = self.measured = targets
        if not heads:
            raise UnfitError(f"name one of the targets {', '.join(targets.names)} at least", "heads")
        self._tasks = {name: _task(name, head.task, targets) for name, head in heads.items()}
        self._weights = {name: head.weight for name, head in heads.items()}
        self.metrics = tuple(f"{name}/{metric}" for name, its in self._tasks.items() for metric in its.metrics)
        self.more_metrics = {f"{name}/{metric.name}": metric for name, its in heads.items() for metric in its.metrics}
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details: dict[str, Detail] = {
            f"{name}/{key}": _OfHead(name, detail)
            for name, its in self._tasks.items()
            for key, detail in its.details.items()
        }

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        parts, batches = self.targets.outputs(outputs), self._batches(batch)
        found = {name: its.objectives[0].loss(parts[name], batches[name]) for name, its in self._tasks.items()}
        return self._weighted(found)

    def counts(self, batch: Batch) -> Counts:
        batches = self._batches(batch)
        found = {name: its.objectives[0].counts(batches[name]) for name, its in self._tasks.items()}
        return {f"{name}/{term}": count for name, counts in found.items() for term, count in counts.items()}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        found = self._evaluated(at_least_single(self.outputs(model, batch)), batch)
        return Outcome(
            {name: outcome.predictions for name, outcome in found.items()},
            {name: outcome.targets for name, outcome in found.items()},
            self._weighted({name: outcome.loss for name, outcome in found.items() if outcome.loss is not None}),
            self.counts(batch),
        )

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """What each head has to say of each example."""
        by_head = {
            name: its.answers(Outcome(outcome.predictions[name], outcome.targets[name], None, {}))
            for name, its in self._tasks.items()
        }
        return [dict(zip(by_head, each, strict=True)) for each in zip(*by_head.values(), strict=True)]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """What the heads' tasks show, under their names."""
        parts, batches = self.targets.outputs(at_least_single(self.outputs(model, batch))), self._batches(batch)
        shown = {name: its.samples(Given(parts[name]), batches[name], inputs) for name, its in self._tasks.items()}
        return [replace(sample, name=f"{name}/{sample.name}") for name, found in shown.items() for sample in found]

    def untrained_loss(self) -> float | None:
        """The heads' together; None where nothing is known of one of them."""
        found = {name: its.untrained_loss() for name, its in self._tasks.items()}
        known = [self._weights[name] * loss for name, loss in found.items() if loss is not None]
        return sum(known) if len(known) == len(found) else None

    def _evaluated(self, outputs: Tensor, batch: Batch) -> dict[str, Outcome]:
        parts, batches = self.targets.outputs(outputs), self._batches(batch)
        return {name: its.evaluate(Given(parts[name]), batches[name]) for name, its in self._tasks.items()}

    def _batches(self, batch: Batch) -> dict[str, Batch]:
        """The batch with the targets of each head alone."""
        return {name: batch._replace(targets=its) for name, its in self.targets.by_name(batch.targets).items()}

    def _weighted(self, losses: Mapping[str, Loss]) -> Loss:
        terms = {f"{name}/{key}": (name, term) for name, loss in losses.items() for key, term in loss.items()}
        return Loss(
            {key: replace(term, weight=term.weight * self._weights[name]) for key, (name, term) in terms.items()}
        )


class _OfHead:
    """A detail of one head."""

    def __init__(self, name: str, detail: Detail) -> None:
        self._name = name
        self._detail = detail

    def measure(self, predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Any:
        return self._detail.measure(predictions[self._name], targets[self._name])

    def tables(self, state: Any) -> list[Table]:
        return [replace(table, title=f"{self._name}: {table.title}") for table in self._detail.tables(state)]


def _task(name: str, chosen: Any, targets: Several) -> Task:
    """The task of a head; UnfitError where there is no such target, or the task learns no target."""
    if name not in targets.names:
        raise UnfitError(f"there is no target '{name}'; {did_you_mean(name, targets.names)}", f"heads.{name}")
    if not chosen.takes("targets"):
        raise UnfitError(f"{chosen.name} learns no target; take another task", f"heads.{name}.task")
    made: Task = chosen(targets.part(name))
    if made.main is not made:
        raise UnfitError(
            "only a task of one target has auxiliary heads; leave them out", f"heads.{name}.task.auxiliary"
        )
    return made
