"""Convolution."""

from typing import Literal

from torch import nn

from nntrain.blocks import Maps
from nntrain.blocks.windows import PerAxis, Window, per_axis, slide
from nntrain.errors import UnfitError
from nntrain.models.activations import Activation, activation_module
from nntrain.models.starting_weights import started
from nntrain.registry import block
from nntrain.settings import Count, Normalization, Whole


@block("convolution")
class Convolution(nn.Sequential):
    """A convolution, its normalisation and its nonlinearity: every output map sees a window of all input maps.

    y_c(p) = f(norm(b_c + sum_{c', k} w_{c, c'}(k) x_{c'}(stride p + dilation k - padding)))

    Along one axis for series (batch, channels, time), two for images, three for videos. Kernel, stride, padding
    and dilation are one number for all axes, or a list with one for each.
    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998; Goodfellow, Bengio,
    Courville, Deep Learning, section 9.1 (where the formula is called cross-correlation). The weights start as the
    activation's paper derives, biases at 0.

    Settings:
        channels: the number of output maps
        kernel: the window's size
        stride: how far it moves
        padding: zeros at both ends of an axis; same for as many as keep its size where the stride is 1
        dilation: the distance between the values of a window
        groups: into how many parts the maps are divided, each output part seeing one input part
        norm: the kind of normalisation before the activation; none without
        activation: f, or none
    """

    def __init__(
        self,
        maps: Maps,
        *,
        channels: Count,
        kernel: PerAxis = 3,
        stride: PerAxis = 1,
        padding: Literal["same"] | Whole | list[Whole] = "same",
        dilation: PerAxis = 1,
        groups: Count = 1,
        norm: Normalization | Literal["none"] = "none",
        activation: Activation | Literal["none"] = "relu",
    ) -> None:
        super().__init__()
        if maps.channels % groups or channels % groups:
            raise UnfitError(f"{maps.channels} maps into {channels} cannot be divided into {groups} groups", "groups")
        kernels, strides, dilations = (
            per_axis(value, maps.axes, name)
            for name, value in (("kernel", kernel), ("stride", stride), ("dilation", dilation))
        )
        margins = _same(kernels, dilations) if padding == "same" else per_axis(padding, maps.axes, "padding")
        self.windows = tuple(map(Window, kernels, strides, margins, dilations))
        self.maps = Maps(channels, slide(self.windows, maps.sizes))
        layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[maps.axes - 1]
        convolution = layer(maps.channels, channels, kernels, strides, margins, dilations, groups)  # type: ignore[arg-type]
        self.convolution = started(convolution, activation)
        after = None if norm == "none" else norm(self.maps, convolution)
        if after is not None:
            self.norm = after
        if activation != "none":
            self.activation = activation_module(activation)


def _same(kernels: list[int], dilations: list[int]) -> list[int]:
    """The zeros at both ends that keep an axis's size."""
    missing = [dilation * (kernel - 1) for kernel, dilation in zip(kernels, dilations, strict=True)]
    if any(count % 2 for count in missing):
        raise UnfitError("an even kernel cannot be padded equally at both ends; write a number", "padding")
    return [count // 2 for count in missing]
