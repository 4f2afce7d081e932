"""Dropout, of single values and of whole maps."""

from torch import nn

from nntrain.blocks import Maps, pointwise
from nntrain.registry import block
from nntrain.settings import Probability


@block("dropout")
class Dropout(nn.Sequential):
    """Dropout: in training a random share of the values is set to zero, and the rest divided by 1 - share.

    y_i = m_i x_i / (1 - share),  m_i ~ Bernoulli(1 - share)

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.

    Settings:
        share: how much is set to zero
    """

    def __init__(self, maps: Maps, *, share: Probability = 0.5) -> None:
        super().__init__()
        self.maps = maps
        self.windows = pointwise(maps)
        self.dropout = nn.Dropout(share)


@block("spatial_dropout")
class SpatialDropout(nn.Sequential):
    """Dropout of whole maps: neighbouring values are so alike that one that is left would give the others away.

    y_c = m_c x_c / (1 - share), m_c 0 or 1 for a whole map of an example, in training

    Source: Tompson et al., Efficient object localization using convolutional networks, 2015, arXiv:1411.4280.

    Settings:
        share: how many of the maps are set to zero
    """

    def __init__(self, maps: Maps, *, share: Probability = 0.2) -> None:
        super().__init__()
        self.maps = maps
        self.windows = pointwise(maps)
        self.dropout = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)[maps.axes - 1](share)
