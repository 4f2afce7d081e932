"""Batch normalisation."""

from torch import nn

from nntrain.blocks import Maps
from nntrain.registry import normalization


@normalization("batch")
def batch(maps: Maps, layer: nn.Module | None) -> nn.Module:
    """Each channel by its mean and variance in the batch, in evaluation by running ones.

    y_c = gain_c (x_c - mean_c) / sqrt(var_c + 1e-5) + bias_c, over all examples and positions

    A batch of one vector has no variance: it takes batches of two or more, or maps of several positions.
    Source: Ioffe, Szegedy, Batch normalization: accelerating deep network training by reducing internal covariate
    shift, 2015, arXiv:1502.03167.
    """
    return (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[maps.axes](maps.channels)
