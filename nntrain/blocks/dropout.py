"""Dropout."""

from torch import nn

from nntrain.blocks import Maps, pointwise
from nntrain.registry import block
from nntrain.settings import Probability


@block("dropout")
class Dropout(nn.Sequential):
    """Dropout: in training a random share of the values is set to zero, and the rest divided by 1 - share.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.

    Settings:
        share: how much is set to zero
    """

    def __init__(self, maps: Maps, *, share: Probability = 0.5) -> None:
        super().__init__()
        self.maps = maps
        self.windows = pointwise(maps)
        self.dropout = nn.Dropout(share)
