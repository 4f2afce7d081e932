"""How far inputs that a model puts out again are from what they were."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from nntrain.registry import metric
from nntrain.specs import Density, Reconstruction


@metric("reconstruction_error")
class ReconstructionError:
    """The root of the mean squared distance between inputs and what the model makes of them.

    reconstruction_error = sqrt(1/(n d) sum_ij (x'_ij - x_ij)^2)

    Predictions x' and inputs x (batch, ...) with d numbers each, as prepared: with standardised inputs, 1 is as
    good as putting out the mean.
    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Reconstruction | Density) -> None:
        self._is_model = isinstance(targets, Density)  # what a task with densities predicts is the model itself

    def measure(self, predictions: Any, targets: Tensor) -> Tensor:
        outputs: Tensor = predictions(targets) if self._is_model else predictions
        error = outputs.double() - targets
        return torch.stack((error.square().sum(), error.new_full((), error.numel())))

    def value(self, state: Tensor) -> float:
        total, count = state.tolist()
        return math.sqrt(total / count)
