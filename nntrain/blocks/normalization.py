"""Normalisation of feature maps, standing alone."""

from torch import nn

from nntrain.blocks import Maps, pointwise
from nntrain.registry import block
from nntrain.settings import Normalization as Norm


@block("normalization")
class Normalization(nn.Sequential):
    """Normalisation of feature maps, for a place other than between a convolution and its activation.

    y = norm(x), by the formula of the kind that is chosen: `nntrain list normalizations`

    Source: Ioffe, Szegedy, Batch normalization, 2015, arXiv:1502.03167; of the other kinds, there.

    Settings:
        norm: the kind of normalisation
    """

    def __init__(self, maps: Maps, *, norm: Norm = "batch") -> None:
        super().__init__()
        self.maps = maps
        self.windows = pointwise(maps)
        self.norm = norm(maps, None)
