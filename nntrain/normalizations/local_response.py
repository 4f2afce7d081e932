"""AlexNet's normalisation."""

from torch import nn

from nntrain.blocks import Maps
from nntrain.errors import UnfitError
from nntrain.registry import normalization


@normalization("local_response")
def local_response(maps: Maps, layer: nn.Module | None) -> nn.Module:
    """Each value by those of the neighbouring channels at its position.

    y_c = x_c / (2 + 1e-4 sum over the 5 channels j around c of x_j^2)^(3/4)

    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, 2012,
    section 3.3.
    """
    if maps.axes == 0:
        raise UnfitError("the units of a vector have no neighbours; take batch, layer, group, rms or weight")
    return among_neighbours()


def among_neighbours() -> nn.LocalResponseNorm:
    """As published; the paper's alpha multiplies the sum of the squares, torch's their mean."""
    return nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2)
