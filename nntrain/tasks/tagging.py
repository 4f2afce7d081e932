"""Which class each position of a sequence belongs to."""

import math
from typing import Any

from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch
from nntrain.device import at_least_single
from nntrain.loss import Counts, Loss, Objective, Term
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.registry import task
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Tags
from nntrain.tasks import Outcome


@task("tagging")
class Tagging:
    """One class for every position of a sequence (many to many): outputs are logits (batch, time, classes).

    The loss is the mean over all positions that have a label, padding and other positions IGNORED.

    Source: Graves, Supervised Sequence Labelling with Recurrent Neural Networks, 2012, chapter 2.

    Settings:
        loss: what is minimised
    """

    metrics = ("error_rate", "accuracy", "exact_match")

    def __init__(self, targets: Tags, *, loss: LossSetting = "cross_entropy") -> None:
        self.targets = targets
        self._loss = loss(targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details = {"confusion": ConfusionMatrix(targets)}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(self._loss(outputs, batch.targets)))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": (batch.targets != IGNORED).sum()}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        return Outcome(outputs, batch.targets, self.loss(outputs, batch), self.counts(batch))

    def answers(self, predictions: Tensor) -> list[dict[str, Any]]:
        """The most likely class of every position."""
        names = self.targets.names
        return [{"tags": [names[c] for c in row]} for row in predictions.argmax(dim=2).tolist()]

    def untrained_loss(self) -> float | None:
        """ln(classes): an untrained network finds all classes equally likely."""
        return math.log(len(self.targets))
