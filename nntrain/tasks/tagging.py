"""Which class each position of a sequence belongs to."""

from typing import Any

import torch
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

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The most likely class of every position that has a label."""
        found = zip(outcome.predictions.argmax(dim=2), outcome.targets != IGNORED, strict=True)
        return [{"tags": [self.targets.names[c] for c in row[labelled].tolist()]} for row, labelled in found]

    def untrained_loss(self) -> float | None:
        """The loss of equal outputs, which an untrained network's are near: ln(classes) for cross-entropy."""
        return float(self._loss(torch.zeros(1, len(self.targets)), torch.zeros(1, dtype=torch.long)))
