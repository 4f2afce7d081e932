"""Parts of images that are covered."""

from typing import Literal

import torch
from torch import Tensor

from nntrain.augmentations import Move, Moving, Range, drawn, in_order, over
from nntrain.augmentations.rectangles import rectangles
from nntrain.errors import UnfitError
from nntrain.registry import augmentation
from nntrain.settings import Factor
from nntrain.specs import Image, Video


@augmentation("erase")
class Erase(Moving):
    """Covers a random rectangle of some of the images (random erasing).

    x'_ij = f_ij in the rectangle, its area ~ U(area) of the image's, its width in heights ~ exp U(ln ratio)

    Of ten draws the first that fits is taken. The rectangle lies anywhere, in all frames of a video at the same
    place. Pixels of masks that are covered count no more, and boxes are around what is left.
    Source: Zhong, Zheng, Kang, Li, Yang, Random erasing data augmentation, 2017, arXiv:1708.04896 (with the ratio
    itself uniform, not its logarithm); DeVries, Taylor, Cutout, 2017, arXiv:1708.04552.

    Settings:
        share: how many of the images are covered
        area: the smallest and the largest share of the image's area that is covered
        ratio: the smallest and the largest width of a rectangle, in heights
        fill: what covers it: noise, every pixel at random between black and white, or black
    """

    def __init__(
        self,
        inputs: Image | Video,
        *,
        share: Factor = 0.5,
        area: Range = [0.02, 0.4],  # noqa: B006
        ratio: Range = [0.3, 1 / 0.3],  # noqa: B006
        fill: Literal["noise", "black"] = "noise",
    ) -> None:
        self._share = share
        self._area, self._ratio = in_order(area, "area"), in_order(ratio, "ratio")
        if area[1] > 1:
            raise UnfitError(f"expected shares of the image's area, at most 1, found {area}", "area")
        self._is_noisy = fill == "noise"

    def move(self, images: Tensor) -> Move:
        is_chosen = over(drawn(images, 0.0, 1.0) < self._share, images)
        mask = rectangles(images, self._area, self._ratio).mask(images) & is_chosen

        def cover(planes: Tensor, *, nearest: bool = False) -> Tensor:
            fill = torch.rand_like(planes) if self._is_noisy and not nearest else planes.new_zeros(())
            return torch.where(mask, fill, planes)

        return cover
