"""Normalisation of feature maps."""

from typing import Literal

from torch import Tensor, nn

from nntrain.blocks import Maps, pointwise
from nntrain.registry import block

Norm = Literal["batch", "layer", "local_response"]


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position, for maps (batch, channels, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def local_response() -> nn.LocalResponseNorm:
    """AlexNet's; its alpha multiplies the sum of the squares, torch's their mean."""
    return nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2)


def norm_module(norm: Norm, maps: Maps) -> nn.Module:
    if norm == "batch":
        return (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[maps.axes - 1](maps.channels)
    return LayerNorm(maps.channels) if norm == "layer" else local_response()


@block("normalization")
class Normalization(nn.Sequential):
    """Normalisation of feature maps, by one of three rules.

    batch: y_c = gain_c (x_c - mean_c) / sqrt(var_c + 1e-5) + bias_c, mean and variance of the channel in the batch
    layer: the same with mean and variance of all channels at a position of an example
    local_response: y_c = x_c / (2 + 1e-4 sum over the 5 channels j around c of x_j^2)^(3/4)

    Source: Ioffe, Szegedy 2015, arXiv:1502.03167; Ba, Kiros, Hinton 2016, arXiv:1607.06450; Krizhevsky, Sutskever,
    Hinton 2012, section 3.3.

    Settings:
        norm: the rule
    """

    def __init__(self, maps: Maps, *, norm: Norm = "batch") -> None:
        super().__init__()
        self.maps = maps
        self.windows = pointwise(maps)
        self.norm = norm_module(norm, maps)
