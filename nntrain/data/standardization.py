"""Standardisation: x' = (x - mean) / deviation, with mean and deviation of the training set."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import Pair, Sequences
from nntrain.specs import Inputs, Series

PIECE = 4096  # examples whose moments are taken at a time


def learn(inputs: Any, scale: float) -> dict[str, Tensor]:
    """Mean and deviation of `scale` times each feature or channel, float64; a deviation of 0 counts as 1."""
    mean, deviation = _moments(_by_feature(inputs))
    is_constant = deviation <= 1e-7 * mean.abs()  # to rounding
    return {"mean": mean * scale, "deviation": torch.where(is_constant, 1.0, deviation * scale)}


def apply(inputs: Any, scale: float, learned: Mapping[str, Tensor]) -> Any:
    """`scale` times the inputs in torch's default type, standardised where something is learned; tokens as they are."""
    if isinstance(inputs, Pair):
        return inputs
    if isinstance(inputs, Sequences):
        if inputs.values.dim() == 2:  # tokens
            return inputs
        values, mask = _standardized(inputs.values, scale, learned, axis=2), inputs.mask()
        return Sequences(values if mask is None else values * mask.unsqueeze(-1), inputs.lengths)
    return _standardized(inputs, scale, learned, axis=1)


def translation(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `apply` needs to turn inputs that were prepared by the first into such as the second would have made."""
    if not first and not second:
        return {}
    zeros = torch.zeros_like((first or second)["mean"])
    (mean, deviation), (other_mean, other_deviation) = (
        (learned.get("mean", zeros), learned.get("deviation", zeros + 1)) for learned in (first, second)
    )
    return {"mean": (other_mean - mean) / deviation, "deviation": other_deviation / deviation}


def size_of(inputs: Inputs) -> int:
    """How many features or channels have a mean and a deviation of their own."""
    return inputs.features if isinstance(inputs, Series) else inputs.shape[0]


def _standardized(values: Tensor, scale: float, learned: Mapping[str, Tensor], axis: int) -> Tensor:
    values = values.to(torch.get_default_dtype(), copy=True).mul_(scale)
    if learned:
        shape = [-1 if i == axis else 1 for i in range(values.dim())]
        mean, deviation = (learned[name].to(values).view(shape) for name in ("mean", "deviation"))
        values.sub_(mean).div_(deviation)
    return values


def _by_feature(inputs: Any) -> Tensor:
    """The inputs (n, features, ...), without padding."""
    if not isinstance(inputs, Sequences):
        return inputs
    mask = inputs.mask()
    return inputs.values.flatten(0, 1) if mask is None else inputs.values[mask]


def _moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature or channel (the second axis), in float64.

    Piece by piece, since float64 is eight times the size of the bytes that images come in.
    """

    def pieces() -> Iterator[Tensor]:
        for piece in torch.split(inputs, PIECE):
            yield piece.transpose(0, 1).flatten(1).double()

    count = inputs.numel() // inputs.shape[1]
    mean = torch.stack([piece.sum(dim=1) for piece in pieces()]).sum(dim=0) / count
    squares = torch.stack([(piece - mean[:, None]).square().sum(dim=1) for piece in pieces()]).sum(dim=0)
    return mean, (squares / count).sqrt()
