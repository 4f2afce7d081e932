"""Tasks: what is minimised, and how what came out is measured.

A task is a tuple of named objectives; the usual one has one, named `model`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from nntrain.batch import Batch
from nntrain.loss import Counts, Loss, Objective
from nntrain.specs import Outputs
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


class Detail(Protocol):
    """A state that merges like a metric's, shown as tables."""

    def measure(self, predictions: Any, targets: Any) -> Any: ...

    def tables(self, state: Any) -> list[Table]: ...


class Task(Protocol):
    """Made for the data's targets, or for its inputs where its first parameter is called so.

    A task may have some things more: `measured` describes what metrics measure where that is not what is asked of
    the model (metrics called part/name are made for `measured.part(part)`, and look at that part of predictions and
    targets by name); `more_metrics` are metrics by name that its own settings choose; `check(batch)` raises
    UnfitError for a first batch that it cannot learn from; `prepare(model, inputs, targets)` adds to a new model what
    it needs of it; `main` is the task without what is only learned beside it.
    """

    targets: Outputs  # what is asked of the model
    objectives: tuple[Objective, ...]
    metrics: tuple[str, ...]  # the names of the usual ones; the first is what a run is judged by
    details: Mapping[str, Detail]

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome: ...

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """What to tell the user of each example: names and numbers."""

    def untrained_loss(self) -> float | None:
        """The loss to expect before training, None where nothing is known of it."""
