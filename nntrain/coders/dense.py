"""Fully connected coders."""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.models.activations import Activation, activation_module
from nntrain.models.starting_weights import started
from nntrain.registry import coder
from nntrain.settings import Count
from nntrain.specs import Image, Vector


class Transposed(nn.Module):
    """z = W^T h + b with the weights W of another layer."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = layer.weight
        self.bias = nn.Parameter(torch.zeros(layer.in_features))

    def forward(self, h: Tensor) -> Tensor:
        return F.linear(h, self.weight.t(), self.bias)


@coder("dense")
def dense(
    inputs: Vector | Image,
    code: int,
    tied: bool,
    *,
    hidden: list[Count] = [128],  # noqa: B006
    activation: Activation = "relu",
) -> tuple[nn.Module, nn.Module]:
    """Fully connected layers down to the code, and the same up again; the code and the last layer are linear.

    h_0 = x;  h_l = f(W_l h_{l-1} + b_l);  code = W_L h_{L-1} + b_L, and the decoder in the reverse order

    The weights start as the activation's paper derives, biases at 0.
    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.

    Settings:
        hidden: the number of units of each layer between inputs and code
        activation: f
    """
    sizes = [math.prod(inputs.shape), *hidden, code]
    between: list[Any] = [activation] * len(hidden)
    downwards = [started(nn.Linear(i, o), f) for (i, o), f in zip(pairwise(sizes), [*between, "none"], strict=True)]
    upwards = [
        Transposed(layer) if tied else started(nn.Linear(layer.out_features, layer.in_features), f)
        for layer, f in zip(downwards, ["none", *between], strict=True)
    ]
    encoder = nn.Sequential(nn.Flatten(), *_between(downwards, activation))
    decoder = nn.Sequential(*_between(upwards[::-1], activation), nn.Unflatten(1, inputs.shape))
    return encoder, decoder


def _between(layers: list[nn.Linear] | list[nn.Linear | Transposed], activation: Activation) -> list[nn.Module]:
    """The layers with an activation between each two."""
    first, *others = layers
    return [first, *(module for layer in others for module in (activation_module(activation), layer))]
