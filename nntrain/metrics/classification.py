"""How often the most likely class is the right one."""

from typing import ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.registry import metric
from nntrain.specs import Classes, Tags, Tokens


@metric("accuracy")
class Accuracy:
    """The share of examples, or of positions in sequences, whose most likely class is the right one.

    accuracy = 1/n sum_i [argmax_c z_ic = y_i]

    Predictions z (batch, [time,] classes), targets y (batch[, time]) without those IGNORED; from 0 to 1.
    Source: as sklearn.metrics.accuracy_score.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Classes | Tags | Tokens) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        right = (predictions.argmax(dim=-1) == targets).sum()
        return torch.stack((right, (targets != IGNORED).sum()))

    def value(self, state: Tensor) -> float:
        right, count = state.tolist()
        return right / count


@metric("error_rate")
class ErrorRate:
    """The share of examples, or of positions in sequences, whose most likely class is a wrong one.

    error_rate = 1/n sum_i [argmax_c z_ic != y_i]

    Predictions z (batch, [time,] classes), targets y (batch[, time]) without those IGNORED; from 0 to 1.
    Source: one minus the accuracy; the usual score since LeCun et al. 1998.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Classes | Tags | Tokens) -> None:
        self._accuracy = Accuracy(targets)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._accuracy.measure(predictions, targets)

    def value(self, state: Tensor) -> float:
        right, count = state.tolist()
        return (count - right) / count
