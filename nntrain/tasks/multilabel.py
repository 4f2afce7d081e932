"""Which of several labels an example has."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.batch import IGNORED, Batch
from nntrain.device import at_least_single
from nntrain.errors import UnfitError
from nntrain.loss import Counts, Loss, Objective, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.metrics.label_sets import PerLabel
from nntrain.registry import task
from nntrain.samples import Sample
from nntrain.settings import Loss as LossSetting
from nntrain.specs import Inputs, LabelSet
from nntrain.tasks import Outcome, Task
from nntrain.tasks.deep_supervision import supervised
from nntrain.tasks.hardest import farthest
from nntrain.tasks.labels import ClassWeights, check_counted


@task("multilabel", within=supervised)
class Multilabel(Task):
    """Any number of labels for each example: the model's outputs are logits (batch, labels), one for each label.

    L = sum_ij w_ij loss(z_ij, t_ij) / sum_ij w_ij, t_ij 1 where example i has label j, else 0

    w_ij is the weight of the example, times the label's positive weight where t_ij = 1; labels that are IGNORED
    count nothing. A label is predicted where its probability 1 / (1 + exp(-z)) is over a half.

    Source: Tsoumakas, Katakis, Multi-label classification: an overview, 2007 (binary relevance).

    Settings:
        loss: what is minimised
        positive_weights: for each label how much it counts where an example has it, beside 1 where it has not; or
            balanced, so that both count the same in the training set; left out, 1
    """

    metrics = ("hamming_loss", "f1", "average_precision")

    def __init__(
        self, targets: LabelSet, *, loss: LossSetting = "binary_cross_entropy", positive_weights: ClassWeights = None
    ) -> None:
        self.targets = targets
        self._loss: LossFunction = loss(targets)
        self._is_of_examples = getattr(self._loss, "is_of_examples", False)
        if self._is_of_examples and positive_weights is not None:
            raise UnfitError("this loss takes all labels of an example together; leave it out", "positive_weights")
        self._positive = _positive_weights(positive_weights, targets)
        self.objectives = (Objective("model", self.outputs, self.loss, self.counts),)
        self.details = {"labels": PerLabel(targets)}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch.inputs)

    def loss(self, outputs: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(weighted(self._loss(outputs, batch.targets), self._weights(batch))))

    def counts(self, batch: Batch) -> Counts:
        if self._is_of_examples:
            return {"loss": examples_of(batch)}
        return {"loss": weighted(batch.targets != IGNORED, self._weights(batch))}

    def answers(self, outcome: Outcome) -> list[dict[str, Any]]:
        """The labels of each example, and the probability of every label."""
        return [
            {
                "labels": [name for name, p in zip(self.targets.names, row, strict=True) if p > 0.5],
                "probabilities": dict(zip(self.targets.names, row, strict=True)),
            }
            for row in outcome.predictions.sigmoid().tolist()
        ]

    def samples(self, model: nn.Module, batch: Batch, inputs: Inputs) -> list[Sample]:
        """Some examples with their labels and those that are found, the least likely first."""
        logits = at_least_single(self.outputs(model, batch))
        known = batch.targets != IGNORED
        surprise = F.binary_cross_entropy_with_logits(logits, (batch.targets * known).to(logits), reduction="none")
        return farthest((surprise * known).sum(dim=1), (logits > 0).long(), batch, inputs, self.targets)

    def untrained_loss(self) -> float | None:
        """The loss of probabilities of a half, which an untrained network's are near: ln 2 for cross-entropy."""
        if self._is_of_examples:
            return None
        zeros = torch.zeros(1, len(self.targets))
        return float(self._loss(zeros, zeros.long()).mean())

    def _weights(self, batch: Batch) -> Tensor | None:
        """What each label of each example counts, or each example; None where all count 1."""
        if self._positive is None:
            return batch.weights
        self._positive = self._positive.to(batch.targets.device)  # for the steps to come too
        own = torch.where(batch.targets == 1, self._positive, 1.0)
        return own if batch.weights is None else own * batch.weights.unsqueeze(1)


def _positive_weights(setting: ClassWeights, targets: LabelSet) -> Tensor | None:
    """The weight of each label; balanced are (n - n_j) / n_j, n_j of n training examples having the label."""
    if setting is None:
        return None
    if setting == "balanced":
        check_counted(targets, "positive_weights")
        having, known = (torch.tensor(c, dtype=torch.get_default_dtype()) for c in (targets.counts, targets.known))
        return (known - having) / having.clamp(min=1)
    if len(setting) != len(targets):
        asked = f"expected a weight for each of {len(targets)} labels ({', '.join(targets.names)})"
        raise UnfitError(f"{asked}; found {len(setting)}", "positive_weights")
    return torch.tensor(setting)
