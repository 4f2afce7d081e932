"""Standardisation."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from nntrain.registry import scaling
from nntrain.scalings import Numbers, along
from nntrain.specs import Inputs

PIECE = 1 << 16  # numbers whose moments are taken at a time: half a megabyte, which stays in the processor's cache


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

    Piece by piece, since float64 is eight times the size of the bytes that images come in; in one and the same
    piece of memory, since what is freed between small tensors that stay may never be used again.
    """
    pieces = torch.split(values, max(1, PIECE // values[0].numel()))
    kept = torch.empty_like(pieces[0], dtype=torch.float64)
    others = [axis for axis in range(values.dim()) if axis != 1]

    def mean_of(change: Callable[[Tensor], Tensor]) -> Tensor:
        total = kept.new_zeros(values.shape[1])
        for piece in pieces:
            total += change(kept[: len(piece)].copy_(piece)).sum(dim=others)
        return total / (values.numel() / values.shape[1])

    mean = mean_of(lambda numbers: numbers)
    (centre,) = along(1, kept, mean)
    return mean, mean_of(lambda numbers: numbers.sub_(centre).square_()).sqrt()
