"""Images seen elsewhere than where their pixels are: each number of a batch interpolated between four."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


class Warp:
    """Moves images to other places: x'(p) = x(places(p))."""

    def __init__(self, places: Tensor, outside: Literal["zeros", "border"] = "zeros") -> None:
        self._places = places
        self._outside: Literal["zeros", "border"] = outside

    def __call__(self, planes: Tensor, *, nearest: bool = False) -> Tensor:
        return warped(planes, self._places, self._outside, nearest)


def warped(
    images: Tensor, places: Tensor, outside: Literal["zeros", "border"] = "zeros", nearest: bool = False
) -> Tensor:
    """The images (batch, ..., height, width) as they are at other places, interpolated linearly between pixels.

    places: (batch, height, width, 2), to the right and down, from -1 at one edge of the image to 1 at the other
    outside: what is seen beyond the edges: black, or the pixel at the edge
    nearest: whether the pixel that is nearest is taken as it is, and nothing interpolated
    """
    planes = images.flatten(1, -3)
    mode = "nearest" if nearest else "bilinear"
    seen = F.grid_sample(planes, places.to(planes), mode, outside, align_corners=False)
    return seen.view_as(images)


def transformed(
    images: Tensor, *, turn: Tensor | float = 0.0, shear: Tensor | float = 0.0, scale: Tensor | float = 1.0,
    right: Tensor | float = 0.0, down: Tensor | float = 0.0,
) -> Tensor:  # fmt: skip
    """Images moved as `transformation` says; black comes in."""
    return warped(images, transformation(images, turn=turn, shear=shear, scale=scale, right=right, down=down))


def transformation(
    images: Tensor, *, turn: Tensor | float = 0.0, shear: Tensor | float = 0.0, scale: Tensor | float = 1.0,
    right: Tensor | float = 0.0, down: Tensor | float = 0.0,
) -> Tensor:  # fmt: skip
    """The places (batch, height, width, 2) of x' = R S c x + t from the middle, x to the right and y down in pixels.

    R turns clockwise by the angle `turn`, S = (1, tan(shear); 0, 1), both in radians, c is the `scale` and t is
    (right, down) in pixels. Each is one number for all images, or one for each (batch,).
    """
    height, width = images.shape[-2:]
    turn, shear, scale, right, down = (
        given if isinstance(given, Tensor) else images.new_full((len(images),), given)
        for given in (turn, shear, scale, right, down)
    )
    sine, cosine, slope = turn.sin() / scale, turn.cos() / scale, shear.tan()
    # The place that each pixel comes from: x = (R S c)^-1 (x' - t).
    a, b, c, d = cosine + slope * sine, sine - slope * cosine, -sine, cosine
    x, y = -(a * right + b * down), -(c * right + d * down)
    rows = (a, b * height / width, 2 * x / width), (c * width / height, d, 2 * y / height)
    matrices = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    return F.affine_grid(matrices, [len(images), 1, height, width], align_corners=False)
