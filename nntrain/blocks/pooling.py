"""Pooling."""

from typing import Literal

from torch import nn

from nntrain.blocks import Maps
from nntrain.blocks.windows import PerAxis, Window, per_axis, slide
from nntrain.registry import block


@block("pooling")
class Pooling(nn.Sequential):
    """Pooling: the largest or the mean value of each window, map by map.

    y_c(p) = max_k x_c(stride p + k), or mean_k

    Without padding; values that no window reaches are left out. Kernel and stride are one number for all axes, or
    a list with one for each (1 leaves an axis as it is).
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 9.3.

    Settings:
        pool: max or average
        kernel: the window's size
        stride: how far it moves; left out, its size
    """

    def __init__(
        self,
        maps: Maps,
        *,
        pool: Literal["max", "average"] = "max",
        kernel: PerAxis = 2,
        stride: PerAxis | None = None,
    ) -> None:
        super().__init__()
        kernels = per_axis(kernel, maps.axes, "kernel")
        strides = kernels if stride is None else per_axis(stride, maps.axes, "stride")
        self.windows = tuple(map(Window, kernels, strides))
        self.maps = Maps(maps.channels, slide(self.windows, maps.sizes))
        layers = {
            "max": (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
            "average": (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        }
        self.pool = layers[pool][maps.axes - 1](kernels, strides)
