"""Normalisations of an example by its own statistics over all positions: the size of the batch is no matter."""

import math

from torch import nn

from nntrain.blocks import Maps
from nntrain.errors import UnfitError
from nntrain.registry import normalization
from nntrain.settings import Count


@normalization("group")
def group(maps: Maps, layer: nn.Module | None, *, groups: Count = 8) -> nn.Module:
    """Each group of channels by its mean and variance in the example.

    y_c = gain_c (x_c - mean_g) / sqrt(var_g + 1e-5) + bias_c, over the channels of c's group g at all positions

    With one group all channels are normalised together. Takes vectors, images and videos.
    Source: Wu, He, Group normalization, 2018, arXiv:1803.08494.

    Settings:
        groups: how many groups of equal size the channels are divided into
    """
    _refuse_padding(maps)
    if maps.channels % groups:
        raise UnfitError(f"{maps.channels} channels cannot be divided into {groups} groups; take a divisor", "groups")
    if maps.channels == groups and math.prod(maps.sizes) == 1:
        raise UnfitError("a group of one number has no variance; take fewer groups", "groups")
    return nn.GroupNorm(groups, maps.channels)


@normalization("instance")
def instance(maps: Maps, layer: nn.Module | None) -> nn.Module:
    """Each channel by its mean and variance in the example.

    y_c = gain_c (x_c - mean_c) / sqrt(var_c + 1e-5) + bias_c, over the positions of c

    Takes the contrast of an image away; takes images and videos.
    Source: Ulyanov, Vedaldi, Lempitsky, Instance normalization: the missing ingredient for fast stylization, 2016,
    arXiv:1607.08022.
    """
    _refuse_padding(maps)
    if math.prod(maps.sizes) == 1:
        raise UnfitError("a channel with one position has no variance; take batch, layer, group or rms")
    return (nn.InstanceNorm2d, nn.InstanceNorm3d)[maps.axes - 2](maps.channels, affine=True)


def _refuse_padding(maps: Maps) -> None:
    if maps.axes == 1:
        raise UnfitError("the padding of series would count among the positions; take batch, layer, rms or weight")
