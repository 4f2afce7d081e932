"""Tasks: what is minimised, and how what came out is measured.

A task is a tuple of named objectives; the usual one has one, named `model`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from torch import nn

from nntrain.batch import Batch
from nntrain.data import Split
from nntrain.device import at_least_single
from nntrain.loss import Counts, Loss, Objective
from nntrain.samples import Projection, Sample
from nntrain.specs import Inputs, Outputs
from nntrain.tables import Table


@dataclass(frozen=True)
class Outcome:
    """What a model makes of a batch in evaluation: predictions and targets for the metrics, and the loss.

    The losses in `apart` are shown beside it, each by its name.
    """

    predictions: Any
    targets: Any
    loss: Loss | None
    counts: Counts  # of the terms of the losses
    apart: Loss = field(default_factory=Loss)


Look = Callable[[nn.Module, Batch], Outcome]


class Detail(Protocol):
    """A state that merges like a metric's, shown as tables."""

    def measure(self, predictions: Any, targets: Any) -> Any: ...

    def tables(self, state: Any) -> list[Table]: ...


class Task:
    """Made for the data's targets, or for its inputs where its first parameter is called so.

    Abstract: `targets` and `objectives` are every task's own; what stands here else is what is usual. A task whose
    second parameter is called `learned` is given all that is known of the training set.
    """

    targets: Any  # what is asked of the model: one of Outputs
    objectives: tuple[Objective, ...]
    metrics: tuple[str, ...] = ()  # the names of the usual ones; the first is what a run is judged by, else the loss
    measures_loss = True  # whether evaluation gives one
    details: Mapping[str, Detail] = MappingProxyType({})
    # What metrics measure where that is not `targets`. Those called part/name are made for measured.part(part), and
    # look at that part of predictions and targets, which are then mappings.
    measured: Any = None
    more_metrics: Mapping[str, Any] = MappingProxyType({})  # components by name, that settings of the task choose

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        """The outputs as predictions, and their loss."""
        (objective,) = self.objectives
        outputs = at_least_single(objective.outputs(model, batch))
        return Outcome(outputs, batch.targets, objective.loss(outputs, batch), objective.counts(batch))

    def seen(self, inputs: Inputs) -> Inputs:
        """What the model is given, where the task changes what the data gives."""
        return inputs

    def further(self, split: Split, is_thorough: bool) -> Iterable[tuple[Look, Split]]:
        """Other ways of looking at a split that are evaluated besides, each with the examples that it takes.

        They are all where it is to be thorough (`eval`), and may be some of them where that takes long.
        """
        return ()

    def respond(self, model: nn.Module, batch: Batch) -> list[dict[str, Any]]:
        """What to tell the user of each example that a trained model is used on."""
        return self.answers(self.evaluate(model, batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """What to tell the user of each example: names and numbers."""
        return [{"outputs": row} for row in outcome.predictions.flatten(1).tolist()]

    def untrained_loss(self) -> float | None:
        """The loss to expect before training, None where nothing is known of it."""
        return None

    @property
    def main(self) -> "Task":
        """The task without what is only learned beside it."""
        return self

    def prepare(self, model: nn.Module, inputs: Inputs, targets: Outputs) -> None:
        """Adds to a new model what the task needs of it."""

    def check(self, batch: Batch) -> None:
        """UnfitError for a first batch that cannot be learned from."""

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Pictures and text of what the model, in eval mode, makes of a few dev examples; `inputs` describes theirs."""
        return []

    def projection(self, model: nn.Module, batch: Batch, inputs: Inputs) -> Projection | None:
        """The examples as points among each other."""
        return None
