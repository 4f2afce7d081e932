"""How well sets of labels are predicted."""

from typing import ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.metrics.decisions import Decisions, by_name
from nntrain.registry import metric
from nntrain.specs import LabelSet
from nntrain.tables import Table


@metric("hamming_loss")
class HammingLoss:
    """The share of all labels, had or not had, that are predicted wrongly.

    hamming_loss = 1/(n labels) sum_ij [[z_ij > 0] != y_ij]

    Predictions z are logits (batch, labels), targets y (batch, labels) without those IGNORED; from 0 to 1.
    Source: as sklearn.metrics.hamming_loss.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: LabelSet) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        known = targets != IGNORED
        wrong = ((predictions > 0) != (targets == 1)) & known
        return torch.stack((wrong.sum(), known.sum()))

    def value(self, state: Tensor) -> float:
        wrong, count = state.tolist()
        return wrong / count


class PerLabel:
    """What is to be said of each label."""

    def __init__(self, targets: LabelSet) -> None:
        self.names = targets.names
        self._decisions = Decisions(targets, "macro")

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._decisions.measure(predictions, targets)

    def tables(self, state: Tensor) -> list[Table]:
        return [by_name("per label", "label", self.names, *state.cpu())]
