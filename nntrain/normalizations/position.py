"""Normalisations of each position of an example by itself: whatever else the batch holds, and padding, is no matter."""

from torch import Tensor, nn

from nntrain.blocks import Maps
from nntrain.device import at_least_single
from nntrain.registry import normalization


class RMSNorm(nn.RMSNorm):
    """torch's, over the last axis, in float32 at least, as torch's layer normalisation is in low precision."""

    def __init__(self, features: int) -> None:
        super().__init__(features, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(at_least_single(x))


class MapsLayerNorm(nn.LayerNorm):
    """Over the channels of maps (batch, channels, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class MapsRMSNorm(RMSNorm):
    """Over the channels of maps (batch, channels, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


@normalization("layer")
def layer(maps: Maps, layer: nn.Module | None) -> nn.Module:
    """Each position by the mean and variance of its channels.

    y_c = gain_c (x_c - mean) / sqrt(var + 1e-5) + bias_c, over all channels of a position

    Source: Ba, Kiros, Hinton, Layer normalization, 2016, arXiv:1607.06450.
    """
    return MapsLayerNorm(maps.channels)


@normalization("rms")
def rms(maps: Maps, layer: nn.Module | None) -> nn.Module:
    """Each position by the size of its channels, without taking their mean away.

    y_c = gain_c x_c / sqrt(mean of x_j^2 over all channels j of a position + 1e-5)

    Source: Zhang, Sennrich, Root mean square layer normalization, 2019, arXiv:1910.07467.
    """
    return MapsRMSNorm(maps.channels)
