"""Squared error."""

from torch import Tensor

from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.specs import Reconstruction, Values


@loss("squared")
class Squared:
    """The squared distance to the targets, averaged over the values of an example.

    L = sum_i 1/d sum_j (z_ij - t_ij)^2

    Outputs z and targets t are of shape (batch, d), or (batch, ...) with d numbers for each example.
    Source: Bishop, Pattern Recognition and Machine Learning, section 3.1.1.
    """

    def __init__(self, targets: Values | Reconstruction) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (at_least_single(outputs) - targets).square().flatten(1).mean(dim=1).sum()
