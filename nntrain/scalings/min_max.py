"""Scaling by the smallest and the largest number."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nntrain.registry import scaling
from nntrain.scalings import Numbers, along
from nntrain.specs import Inputs


@scaling("min_max")
class MinMax:
    """Every feature from 0 to 1 in the training set; later numbers may lie outside.

    x' = (x - least) / (greatest - least)

    For each feature of a vector or of a step in time, each channel of an image; where all numbers are equal, they
    become 0. One number far from the others leaves little room to these.
    Source: as sklearn.preprocessing.MinMaxScaler.
    """

    def __init__(self, inputs: Numbers) -> None:
        self._inputs = inputs

    def learn(self, values: Tensor, scale: float) -> dict[str, Tensor]:
        by_feature = values.transpose(0, 1).flatten(1)
        least, greatest = (bound.double() for bound in torch.aminmax(by_feature, dim=1))
        span = greatest - least
        return {"least": least * scale, "span": torch.where(span > 0, span * scale, 1.0)}

    def apply(self, values: Tensor, learned: Mapping[str, Tensor], axis: int) -> Tensor:
        least, span = along(axis, values, learned["least"], learned["span"])
        return values.sub_(least).div_(span)

    def inputs(self, learned: Mapping[str, Tensor]) -> Inputs:
        return self._inputs
