"""How often the most likely class is the right one."""

from typing import ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.errors import UnfitError
from nntrain.registry import metric
from nntrain.settings import Count
from nntrain.specs import Labels


@metric("accuracy")
class Accuracy:
    """The share of examples, or of positions in sequences, whose most likely class is the right one.

    accuracy = 1/n sum_i [argmax_c z_ic = y_i]

    Predictions z (batch, [time,] classes), targets y (batch[, time]) without those IGNORED; from 0 to 1.
    Source: as sklearn.metrics.accuracy_score.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Labels) -> None:
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

    def __init__(self, targets: Labels) -> None:
        self._accuracy = Accuracy(targets)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._accuracy.measure(predictions, targets)

    def value(self, state: Tensor) -> float:
        right, count = state.tolist()
        return (count - right) / count


@metric("top_k_error")
class TopKError:
    """The share of examples, or of positions in sequences, whose right class is not among the k most likely ones.

    top_k_error = 1/n sum_i [|{c: z_ic > z_iy}| >= k]

    Predictions z (batch, [time,] classes), targets y (batch[, time]) without those IGNORED; from 0 to 1.
    Source: Russakovsky et al., ImageNet large scale visual recognition challenge, 2015, arXiv:1409.0575, with k = 5.

    Settings:
        k: how many classes may be named
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Labels, *, k: Count = 5) -> None:
        if k >= len(targets):
            raise UnfitError(f"of {len(targets)} classes the right one is always among {k}; take fewer", "k")
        self.k = k

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        known = targets != IGNORED
        own = predictions.gather(-1, (targets * known).unsqueeze(-1))
        wrong = ((predictions > own).sum(dim=-1) >= self.k) & known
        return torch.stack((wrong.sum(), known.sum()))

    def value(self, state: Tensor) -> float:
        wrong, count = state.tolist()
        return wrong / count
