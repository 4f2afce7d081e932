"""Which of several classes an example belongs to."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import at_least_single
from nntrain.loss import Counts, Loss, Objective, Term
from nntrain.metrics.confusion import ConfusionMatrix
from nntrain.registry import task
from nntrain.settings import Loss as LossSetting
from nntrain.settings import Probability
from nntrain.specs import Classes
from nntrain.tasks import Outcome


@task("classification")
class Classification:
    """One class for each example: the model's outputs are logits (batch, classes).

    With label smoothing e the training targets are t' = (1 - e) t + e / classes (Szegedy et al. 2016,
    arXiv:1512.00567); evaluation always measures the loss against the labels themselves.

    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.

    Settings:
        loss: what is minimised
        label_smoothing: e, the share of a label's weight that is spread over all classes
    """

    metrics = ("error_rate", "accuracy")

    def __init__(
        self, targets: Classes, *, loss: LossSetting = "cross_entropy", label_smoothing: Probability = 0.0
    ) -> None:
        self.targets = targets
        self.label_smoothing = label_smoothing
        self._loss = loss(targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details = {"confusion": ConfusionMatrix(targets)}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(self._loss(outputs, self._smoothed(batch.targets))))

    def counts(self, batch: Batch) -> Counts:
        return {"loss": len(batch.targets)}

    def evaluate(self, model: nn.Module, batch: Batch) -> Outcome:
        outputs = at_least_single(self.outputs(model, batch))
        loss = Loss(loss=Term(self._loss(outputs, batch.targets)))
        return Outcome(outputs, batch.targets, loss, self.counts(batch))

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The most likely class of each example, and its probability under the softmax."""
        probabilities, classes = outcome.predictions.softmax(dim=1).max(dim=1)
        pairs = zip(classes.tolist(), probabilities.tolist(), strict=True)
        return [{"class": self.targets.names[c], "probability": p} for c, p in pairs]

    def untrained_loss(self) -> float | None:
        """The loss of equal outputs, which an untrained network's are near: ln(classes) for cross-entropy.

        None for a loss that says by `starts_at_guessing` that this tells little of it.
        """
        if not getattr(self._loss, "starts_at_guessing", True):
            return None
        return float(self._loss(torch.zeros(1, len(self.targets)), torch.zeros(1, dtype=torch.long)))

    def _smoothed(self, targets: Tensor) -> Tensor:
        """Class numbers, or distributions where examples are mixed, as smoothed distributions."""
        if self.label_smoothing == 0:
            return targets
        if not targets.is_floating_point():
            targets = F.one_hot(targets, len(self.targets)).to(torch.get_default_dtype())
        return targets * (1 - self.label_smoothing) + self.label_smoothing / len(self.targets)
