"""Squared error, and its relatives that outliers pull less."""

import torch.nn.functional as F
from torch import Tensor

from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.settings import Positive
from nntrain.specs import Box, Reconstruction, Values


@loss("squared")
class Squared:
    """The squared distance to the targets, averaged over the values of an example.

    L = sum_i 1/d sum_j (z_ij - t_ij)^2

    Outputs z and targets t are of shape (batch, d), or (batch, ...) with d numbers for each example.
    Source: Bishop, Pattern Recognition and Machine Learning, section 3.1.1.
    """

    def __init__(self, targets: Values | Reconstruction | Box) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (at_least_single(outputs) - targets).square().flatten(1).mean(dim=1)


@loss("absolute")
class Absolute:
    """The distance to the targets, averaged over the values of an example; outliers pull less than in squared.

    L = sum_i 1/d sum_j |z_ij - t_ij|

    The best constant is the median. Outputs and targets as for squared.
    Source: Bishop, Pattern Recognition and Machine Learning, section 1.5.5 (the Minkowski loss with q = 1).
    """

    def __init__(self, targets: Values | Reconstruction | Box) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (at_least_single(outputs) - targets).abs().flatten(1).mean(dim=1)


@loss("huber")
class Huber:
    """Half the squared error where it is small, growing like the absolute one where it is large.

    L = sum_i 1/d sum_j h(z_ij - t_ij); h(e) = e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2)

    Outputs and targets as for squared.
    Source: Huber, Robust estimation of a location parameter, 1964.

    Settings:
        delta: the error from which on it grows linearly, in the units of the loss: deviations, where a task learns
            standardised targets
    """

    def __init__(self, targets: Values | Reconstruction | Box, *, delta: Positive = 1.0) -> None:
        self.delta = delta

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        found = F.huber_loss(at_least_single(outputs), targets, reduction="none", delta=self.delta)
        return found.flatten(1).mean(dim=1)
