"""What the weights of layers start from where a config does not say: what their activation's paper derives."""

import math
from typing import Literal, TypeVar

import torch
from torch import nn

from nntrain.initializers import Fill
from nntrain.initializers.scaled import glorot_uniform, he_normal, lecun_normal
from nntrain.models.activations import Activation

Weighted = TypeVar("Weighted", bound=nn.Module)

_FILLS: dict[str, Fill] = {
    "relu": he_normal(),  # He et al. 2015
    "leaky_relu": he_normal(slope=0.01),
    "elu": he_normal(),  # as in Clevert, Unterthiner, Hochreiter 2016, arXiv:1511.07289, section 4
    "selu": lecun_normal(),  # Klambauer et al. 2017, arXiv:1706.02515
    "gelu": he_normal(),  # it and silu are near relu; their papers derive none
    "silu": he_normal(),
    "tanh": glorot_uniform(),  # Glorot, Bengio 2010, for a slope of 1 at 0
    "sigmoid": glorot_uniform(gain=4.0),  # the same for its slope of 1/4
    "none": lecun_normal(),
}


@torch.no_grad()
def started(layer: Weighted, activation: Activation | Literal["none"] = "none") -> Weighted:
    """The linear layer or convolution below an activation, its weights drawn anew as that asks for, its biases 0."""
    weight, bias = layer.get_parameter("weight"), layer.bias
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        # Its axes are exchanged, and where it moves in steps, a unit sees only a part of the window.
        _FILLS[activation](weight.transpose(0, 1))
        weight.mul_(math.sqrt(math.prod(layer.stride)))
    else:
        _FILLS[activation](weight)
    if isinstance(bias, nn.Parameter):
        nn.init.zeros_(bias)
    return layer
