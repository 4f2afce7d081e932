"""Normalisation of feature maps, standing alone."""

from torch import nn

from nntrain.blocks import Maps, pointwise
from nntrain.registry import block
from nntrain.settings import Normalization as Norm


@block("normalization")
class Normalization(nn.Sequential):
    """Normalisation of feature maps, for a place other than between a convolution and its activation.

    y = norm(x); the formulas and sources are in `nntrain list normalizations`

    Settings:
        norm: the kind of normalisation
    """

    def __init__(self, maps: Maps, *, norm: Norm = "batch") -> None:
        super().__init__()
        self.maps = maps
        self.windows = pointwise(maps)
        self.norm = norm(maps, None)
