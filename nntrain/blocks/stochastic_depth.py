"""Stochastic depth: residual parts that are left out at random in training."""

from torch import nn


def drops(share: float, layers: int) -> list[nn.Module | None]:
    """What a residual part goes through before it is added, for each layer from the inputs up; None for nothing.

    y = x + b_l F(x) / (1 - p_l), b_l 0 with probability p_l = share l / layers, else 1, for each example, in training

    Source: Huang et al., Deep networks with stochastic depth, 2016, arXiv:1603.09382, which divides in evaluation
    instead.
    """
    if share == 0:
        return [None] * layers
    from torchvision.ops import StochasticDepth  # which takes a second to import

    return [StochasticDepth(share * (i + 1) / layers, "row") for i in range(layers)]
