"""Random rectangles in images, by their area and shape."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from nntrain.augmentations import drawn, whole

TRIES = 10  # for a rectangle that fits: a wide one of a large area does not


class Rectangles(NamedTuple):
    """One for each image (batch,), in whole pixels; `is_there` is False where none was found that fits."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    is_there: Tensor

    def mask(self, images: Tensor) -> Tensor:
        """True inside, (batch, ..., height, width)."""
        return self.is_there.view(-1, *[1] * (images.dim() - 1)) & inside(
            images, self.top, self.left, self.height, self.width
        )


def rectangles(images: Tensor, area: list[float], ratio: list[float]) -> Rectangles:
    """Of an area in shares of the image's, and a ratio of width to height whose logarithm is uniform.

    Of ten draws the first that fits counts; where it lies is uniform.
    """
    rows, columns = images.shape[-2:]
    areas = drawn(images, area[0], area[1], TRIES) * rows * columns
    ratios = drawn(images, math.log(ratio[0]), math.log(ratio[1]), TRIES).exp()
    heights, widths = (areas / ratios).sqrt().round(), (areas * ratios).sqrt().round()
    fits = (heights >= 1) & (widths >= 1) & (heights <= rows) & (widths <= columns)
    first = fits.int().argmax(dim=1, keepdim=True)
    height, width = (sizes.gather(1, first).squeeze(1) for sizes in (heights, widths))
    top, left = whole(images, rows - height + 1), whole(images, columns - width + 1)
    return Rectangles(top, left, height, width, fits.any(dim=1))


def inside(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """True in the rectangle of each image, or in one for all, (batch or 1, 1, ..., height, width)."""
    rows, columns = (torch.arange(size, device=images.device) for size in images.shape[-2:])
    is_row = (rows >= top.view(-1, 1)) & (rows < (top + height).view(-1, 1))
    is_column = (columns >= left.view(-1, 1)) & (columns < (left + width).view(-1, 1))
    both = is_row[:, :, None] & is_column[:, None, :]
    return both.view(len(both), *[1] * (images.dim() - 3), *images.shape[-2:])
