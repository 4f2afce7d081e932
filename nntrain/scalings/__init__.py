"""Scalings: how numbers are brought to one size, by what is learned of the training set."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from nntrain.specs import Image, Inputs, Series, Vector, Video

Numbers = Vector | Image | Video | Series


class Scaling(Protocol):
    """Made for the inputs as they come. What it learns travels in the checkpoint."""

    def learn(self, values: Tensor, scale: float) -> dict[str, Tensor]:
        """What is to be known of `scale` times the training set's values (n, features, ...)."""

    def apply(self, values: Tensor, learned: Mapping[str, Tensor], axis: int) -> Tensor:
        """Values with their features along an axis, scaled; these may be overwritten."""

    def inputs(self, learned: Mapping[str, Tensor]) -> Inputs:
        """What the inputs are then."""


def along(axis: int, values: Tensor, *learned: Tensor) -> list[Tensor]:
    """A number for each feature, in the shape and type that fits values with their features along an axis."""
    shape = [-1 if i == axis else 1 for i in range(values.dim())]
    return [tensor.to(values).view(shape) for tensor in learned]
