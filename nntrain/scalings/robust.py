"""Scaling that numbers far from the others do not change."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from nntrain.registry import scaling
from nntrain.scalings import along
from nntrain.specs import Inputs, Series, Vector


@scaling("robust")
class Robust:
    """Every feature with median 0 in the training set, and its middle half of length 1.

    x' = (x - median) / (q_3/4 - q_1/4)

    Quantiles q of each feature of a vector or of a step in time, interpolated; where the middle half is of one
    number, it is only moved. A few numbers of another order change nothing, unlike with mean and deviation.
    Source: as sklearn.preprocessing.RobustScaler.
    """

    def __init__(self, inputs: Vector | Series) -> None:
        self._inputs = inputs

    def learn(self, values: Tensor, scale: float) -> dict[str, Tensor]:
        low, median, high = torch.from_numpy(np.percentile(values.double().numpy(), (25, 50, 75), axis=0))
        span = high - low
        return {"median": median * scale, "span": torch.where(span > 0, span * scale, 1.0)}

    def apply(self, values: Tensor, learned: Mapping[str, Tensor], axis: int) -> Tensor:
        median, span = along(axis, values, learned["median"], learned["span"])
        return values.sub_(median).div_(span)

    def inputs(self, learned: Mapping[str, Tensor]) -> Inputs:
        return self._inputs
