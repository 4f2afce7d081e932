"""Fully convolutional networks."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.activations import Activation
from nntrain.models.pyramid import Pyramid
from nntrain.registry import model
from nntrain.settings import Count, Normalization, Probability, Whole
from nntrain.specs import Image, Mask


@model("fcn")
class FullyConvolutionalNetwork(nn.Module):
    """A classifier without its last layers, slid over the image; scores of coarse maps are refined by finer ones.

    d_0 = c(x), d_l = c(pool d_{l-1});  s_depth = W_depth d_depth, s_l = W_l d_l + up s_{l+1};  z = up s_{depth-skips}

    c is two 3x3 convolutions, each with normalisation and activation, pool the largest of 2x2 pixels, W_l a 1x1
    convolution, up linear between pixels (which their transposed convolutions start as). Takes images (batch,
    channels, height, width) of any size from 2^depth on; outputs are logits (batch, height, width, classes). With
    five halvings, skips of 0, 1 and 2 are their FCN-32s, FCN-16s and FCN-8s.
    Good where what is there matters more than its edges.
    Source: Long, Shelhamer, Darrell, Fully convolutional networks for semantic segmentation, 2015, arXiv:1411.4038.

    Settings:
        width: the maps of the first size; each smaller size has twice as many
        depth: how often the size is halved
        skips: how many of the finer maps have scores, from the coarse end on
        norm: the kind of normalisation after every convolution, or none
        activation: what follows it
        dropout: the share of the smallest maps' values that is set to zero in training
    """

    def __init__(
        self,
        inputs: Image,
        outputs: Mask,
        *,
        width: Count = 32,
        depth: Count = 4,
        skips: Whole = 2,
        norm: Normalization | Literal["none"] = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if skips > depth:
            raise UnfitError(f"there are {depth} sizes finer than the coarsest, not {skips}", "skips")
        self.down = Pyramid(inputs, width, depth, norm, activation)
        levels = self.down.levels
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.ModuleList(_scores(maps.channels, len(outputs)) for maps in levels[depth - skips : depth])
        self.head = _scores(levels[-1].channels, len(outputs))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        *finer, x = self.down(x)
        found = self.head(self.dropout(x))
        for maps, score in zip(reversed(finer), reversed(self.scores), strict=False):
            found = score(maps) + _enlarged(found, maps.shape[2:])
        return _enlarged(found, size).movedim(1, -1)


def _scores(maps: int, classes: int) -> nn.Conv2d:
    """Scores of the classes at every place, evenly spread like a head's weights, with biases of 0."""
    made = nn.Conv2d(maps, classes, kernel_size=1)
    nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    return made


def _enlarged(scores: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(scores, size, mode="bilinear", align_corners=False)
