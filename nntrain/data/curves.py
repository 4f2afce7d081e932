"""Made-up images of curves, for deep autoencoders."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.settings import Count, Whole
from nntrain.specs import Image, Values

Side = Annotated[int, Ge(8), Le(64)]
POINTS = 60  # of a curve, from its start to its end
PIECE = 500  # images that are drawn at a time


@data("curves", within=InMemory)
def curves(*, examples: Count = 2000, side: Side = 28, seed: Whole = 0) -> Source:
    """Images of one curve each, which the places of four points decide: what a code of few numbers can hold.

    B(t) = (1 - t)^3 P_0 + 3 t (1 - t)^2 P_1 + 3 t^2 (1 - t) P_2 + t^3 P_3, the P_i uniform in the image but for its
    edge; a pixel at p is exp(-min_t |p - B(t)|^2). Targets are the rows and columns of the P_i.
    Source: after Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006, whose curves
    go through three points; Bezier's curves as in Farin, Curves and surfaces for CAGD, 2002.

    Settings:
        examples: how many
        side: how many pixels high and wide an image is
        seed: of the points
    """
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(examples, 4, 2, generator=generator) * (side - 3) + 1
    images = torch.cat([_drawn(some, side) for some in torch.split(points, PIECE)])
    names = tuple(f"{axis} of point {i}" for i in range(4) for axis in ("row", "column"))
    drawn = Examples(images.view(-1, 1, side, side), points.flatten(1))
    return Source("curves", Image(1, side, side), Values(names), drawn)


def _drawn(points: Tensor, side: int) -> Tensor:
    """The pixels (images, side * side) of curves by their points (images, 4, 2)."""
    t = torch.linspace(0, 1, POINTS)[:, None]
    weights = torch.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    strokes = torch.einsum("ktx,nkd->ntd", weights, points)
    pixels = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()
    return torch.exp(-torch.cdist(pixels, strokes).amin(dim=2).square())
