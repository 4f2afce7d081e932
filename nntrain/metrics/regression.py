"""How far predicted values are from the true ones, in the data's own units."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from nntrain.registry import metric
from nntrain.specs import Values


@metric("rmse")
class RootMeanSquaredError:
    """The root of the mean squared error.

    rmse = sqrt(1/(n d) sum_ij (y_ij - t_ij)^2)

    Predictions y and targets t (batch, d), in the units of the targets.
    Source: as sklearn.metrics.root_mean_squared_error.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Values) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        error = predictions.double() - targets
        return torch.stack((error.square().sum(), error.new_full((), error.numel())))

    def value(self, state: Tensor) -> float:
        total, count = state.tolist()
        return math.sqrt(total / count)


@metric("mae")
class MeanAbsoluteError:
    """The mean absolute error.

    mae = 1/(n d) sum_ij |y_ij - t_ij|

    Predictions y and targets t (batch, d), in the units of the targets.
    Source: as sklearn.metrics.mean_absolute_error.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Values) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        error = predictions.double() - targets
        return torch.stack((error.abs().sum(), error.new_full((), error.numel())))

    def value(self, state: Tensor) -> float:
        total, count = state.tolist()
        return total / count


@metric("r2")
class CoefficientOfDetermination:
    """The share of the targets' variance that the predictions explain, averaged over the d values.

    R2 = 1/d sum_j (1 - sum_i (y_ij - t_ij)^2 / sum_i (t_ij - mean_j)^2)

    Predictions y and targets t (batch, d); 1 is perfect, 0 as good as the mean of the measured split. Not a
    number where all targets of a split are equal.
    Source: as sklearn.metrics.r2_score with uniform_average.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Values) -> None:
        # Sums of squares are taken around the training set's mean, where they lose no digits.
        self._centre = torch.tensor(targets.mean or (0.0,) * len(targets), dtype=torch.float64)

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        centred = targets.double() - self._centre.to(targets.device)
        squared_error = (predictions.double() - targets).square()
        ones = torch.ones_like(centred)
        return torch.stack([part.sum(dim=0) for part in (ones, centred, centred.square(), squared_error)])

    def value(self, state: Tensor) -> float:
        count, total, squares, errors = state.cpu()
        variation = squares - total.square() / count
        rounding = squares * count * torch.finfo(torch.float64).eps
        return float((1 - errors / variation).mean()) if bool((variation > rounding).all()) else math.nan
