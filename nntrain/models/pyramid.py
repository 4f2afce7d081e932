"""Maps of an image at several sizes, each half the one before: what networks for masks begin with."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.blocks import Maps
from nntrain.blocks.convolution import Convolution
from nntrain.errors import UnfitError
from nntrain.models.activations import Activation
from nntrain.specs import Image


class Pyramid(nn.ModuleList):
    """d_0 = c(x), d_l = c(pool d_{l-1}): all of them; c is two convolutions, pool the largest of 2x2 pixels.

    Each size has twice as many maps as the one before.
    """

    def __init__(self, inputs: Image, width: int, depth: int, norm: Any, activation: Activation) -> None:
        if min(inputs.height, inputs.width) < 2**depth:
            raise UnfitError(f"{inputs} cannot be halved {depth} times; take a smaller depth", "depth")
        self.levels: Sequence[Maps] = [
            Maps(width << level, (inputs.height >> level, inputs.width >> level)) for level in range(depth + 1)
        ]
        given = [inputs.channels, *(maps.channels for maps in self.levels)]
        super().__init__(stacked(*pair, norm, activation) for pair in zip(given, self.levels, strict=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        passed: list[Tensor] = []
        for level, convolve in enumerate(self):
            x = convolve(x if level == 0 else F.max_pool2d(x, 2))
            passed.append(x)
        return passed


def stacked(given: int, maps: Maps, norm: Any, activation: Activation) -> nn.Sequential:
    """Two 3x3 convolutions that make maps of so many given ones; each with its normalisation and activation."""
    before = (Maps(given, maps.sizes), maps)
    return nn.Sequential(
        *(Convolution(one, channels=maps.channels, norm=norm, activation=activation) for one in before)
    )
