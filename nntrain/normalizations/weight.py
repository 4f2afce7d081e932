"""Weight normalisation."""

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from nntrain.blocks import Maps
from nntrain.errors import UnfitError
from nntrain.registry import normalization


@normalization("weight")
def weight(maps: Maps, layer: nn.Module | None) -> None:
    """The layer's weights instead of its outputs: the length and the direction of each unit's are trained apart.

    w_i = g_i v_i / |v_i|, w_i the incoming weights of a unit or the filter of a map

    The parameters are then called parametrizations.weight.original0 (g) and .original1 (v). Penalties, constraints,
    noise and rules of `init` without a pattern are of the w_i; with the pattern original0$ they are of the lengths g.
    Source: Salimans, Kingma, Weight normalization, 2016, arXiv:1602.07868.
    """
    if layer is None:
        raise UnfitError("normalises the weights of a layer, and this has none of its own; take another")
    weight_norm(layer)
