"""Standardisation."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from nntrain.registry import scaling
from nntrain.scalings import Numbers, along
from nntrain.specs import Inputs

PIECE = 4096  # examples whose moments are taken at a time


@scaling("standard")
class Standard:
    """Every feature with mean 0 and deviation 1 in the training set.

    x' = (x - mean) / deviation

    For each feature of a vector or of a step in time, each channel of an image; a deviation of 0 counts as 1. What
    `standardize: true` means.
    Source: LeCun, Bottou, Orr, Müller, Efficient backprop, 1998, section 4.3.
    """

    def __init__(self, inputs: Numbers) -> None:
        self._inputs = inputs

    def learn(self, values: Tensor, scale: float) -> dict[str, Tensor]:
        mean, deviation = moments(values)
        is_constant = deviation <= 1e-7 * mean.abs()  # to rounding
        return {"mean": mean * scale, "deviation": torch.where(is_constant, 1.0, deviation * scale)}

    def apply(self, values: Tensor, learned: Mapping[str, Tensor], axis: int) -> Tensor:
        mean, deviation = along(axis, values, learned["mean"], learned["deviation"])
        return values.sub_(mean).div_(deviation)

    def inputs(self, learned: Mapping[str, Tensor]) -> Inputs:
        return self._inputs


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature or channel (the second axis), in float64.

    Piece by piece, since float64 is eight times the size of the bytes that images come in.
    """

    def pieces() -> Iterator[Tensor]:
        for piece in torch.split(values, PIECE):
            yield piece.transpose(0, 1).flatten(1).double()

    count = len(values) * values[0, 0].numel()
    mean = torch.stack([piece.sum(dim=1) for piece in pieces()]).sum(dim=0) / count
    squares = torch.stack([(piece - mean[:, None]).square().sum(dim=1) for piece in pieces()]).sum(dim=0)
    return mean, (squares / count).sqrt()
