"""Blocks: what a convolutional network is stacked of, in one, two or three dimensions."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from nntrain.blocks.windows import Window


@dataclass(frozen=True)
class Maps:
    """What a block is given and gives: feature maps (batch, channels, *sizes).

    sizes: (time,), (height, width) or (frames, height, width); () for vectors (batch, channels)
    """

    channels: int
    sizes: tuple[int, ...]

    @property
    def axes(self) -> int:
        return len(self.sizes)


class Block(Protocol):
    """A module from maps to maps. It is made for the maps of the block before it."""

    maps: Maps  # what it gives
    windows: tuple[Window, ...]  # what an output sees of the input, along each axis

    def __call__(self, x: Tensor) -> Tensor: ...


def pointwise(maps: Maps) -> tuple[Window, ...]:
    """The windows of a block that treats every position by itself."""
    return (Window(),) * maps.axes
