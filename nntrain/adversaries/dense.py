"""Fully connected adversaries."""

import math
from itertools import pairwise

from torch import nn

from nntrain.registry import adversary
from nntrain.settings import Count
from nntrain.specs import Image, Vector


@adversary("dense")
def dense(
    inputs: Vector | Image,
    noise: int,
    *,
    hidden: list[Count] = [128, 128],  # noqa: B006
) -> tuple[nn.Module, nn.Module]:
    """Fully connected layers, rectified in the generator and leaky (slope 0.2) in the discriminator.

    Source: Goodfellow et al., Generative adversarial networks, 2014, arXiv:1406.2661.

    Settings:
        hidden: the number of units of each hidden layer of both networks, from their inputs up
    """
    size = math.prod(inputs.shape)
    generator = nn.Sequential(*_layers([noise, *hidden, size], nn.ReLU()), nn.Unflatten(1, inputs.shape))
    return generator, nn.Sequential(nn.Flatten(), *_layers([size, *hidden, 1], nn.LeakyReLU(0.2)))


def _layers(sizes: list[int], activation: nn.Module) -> list[nn.Module]:
    """Linear layers with the activation between each two."""
    layers = [nn.Linear(i, o) for i, o in pairwise(sizes)]
    return [module for layer in layers for module in (layer, activation)][:-1]
