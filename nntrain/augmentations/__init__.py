"""Augmentations: random changes of training inputs that leave their targets right, each example its own.

A whole batch is changed at a time, where it lies. What is random is drawn from torch's generator for the inputs'
device, which a run seeds for each step.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Protocol

import torch
from annotated_types import Ge, Le, Len
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.settings import Positive

Range = Annotated[list[Positive], Len(2, 2)]
Degrees = Annotated[float, Ge(0), Le(180)]
Slope = Annotated[float, Ge(0), Le(80)]  # degrees, short of the right angle at which nothing is left of an image


class Augmentation(Protocol):
    """Made for the data's inputs, and for its targets where a parameter is called so.

    Of pictures with masks or boxes, which are to move with the pixels, it must be `Moving`, or say by
    `leaves_places = True` that all pixels stay where they are.
    """

    def __call__(self, inputs: Any) -> Any:
        """The inputs of a batch, changed; those that were given stay as they are."""


class Move(Protocol):
    """What is drawn at random of where pixels go, of each image of a batch."""

    def __call__(self, planes: Tensor, *, nearest: bool = False) -> Tensor:
        """Planes (batch, ..., height, width) moved as the images are; 0 where nothing is known of what comes in.

        nearest: whether each number is to be one of those that were there, and none between two of them
        """


class Moving(ABC):
    """An augmentation that moves the pixels of images, and what lies on them alike."""

    @abstractmethod
    def move(self, images: Tensor) -> Move:
        """Where the pixels of each image go, drawn at random."""

    def __call__(self, images: Tensor) -> Tensor:
        return self.move(images)(images)


def drawn(inputs: Tensor, low: float, high: float, *shape: int) -> Tensor:
    """Uniform random numbers (batch, *shape): for each example its own."""
    return torch.empty(len(inputs), *shape, device=inputs.device).uniform_(low, high)


def whole(inputs: Tensor, below: Tensor | int, *shape: int) -> Tensor:
    """Random whole numbers from 0 to below - 1 (batch, *shape), as real ones; all are equally likely."""
    return (torch.rand(len(inputs), *shape, device=inputs.device) * below).floor()


def over(values: Tensor, inputs: Tensor) -> Tensor:
    """One value for each example (batch,), of as many axes as the inputs have."""
    return values.view(-1, *[1] * (inputs.dim() - 1))


def in_order(limits: list[float], setting: str) -> list[float]:
    """A range as it is; UnfitError where it ends before it begins."""
    if limits[0] > limits[1]:
        raise UnfitError(f"expected the smaller number first, found {limits}", setting)
    return limits
