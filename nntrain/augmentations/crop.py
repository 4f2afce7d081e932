"""Parts of images, as large as the whole."""

import torch
from torch import Tensor

from nntrain.augmentations import Move, Moving, Range, in_order
from nntrain.augmentations.elastic import standing
from nntrain.augmentations.rectangles import Rectangles, rectangles
from nntrain.augmentations.warping import Warp
from nntrain.errors import UnfitError
from nntrain.registry import augmentation
from nntrain.specs import Image, Video


@augmentation("crop")
class Crop(Moving):
    """Takes a random part of each image and stretches it to the size of the whole.

    x'(p) = x(m + s p),  4 s_x s_y ~ U(area),  s_x w / s_y h ~ exp U(ln ratio),  m uniform where the part fits

    p is from -1 to 1 in both axes. Of ten draws the first that fits is taken, the whole image where none does.
    Linear between pixels. All frames of a video are cropped alike. The random crop of an image with a border
    around it is `shift`.
    Source: Szegedy et al., Going deeper with convolutions, 2014, arXiv:1409.4842, section 6.

    Settings:
        area: the smallest and the largest share of the image's area that a part has
        ratio: the smallest and the largest width of a part, in heights
    """

    def __init__(
        self,
        inputs: Image | Video,
        *,
        area: Range = [0.08, 1.0],  # noqa: B006
        ratio: Range = [3 / 4, 4 / 3],  # noqa: B006
    ) -> None:
        self._area, self._ratio = in_order(area, "area"), in_order(ratio, "ratio")
        if area[1] > 1:
            raise UnfitError(f"expected shares of the image's area, at most 1, found {area}", "area")

    def move(self, images: Tensor) -> Move:
        return stretching(images, rectangles(images, self._area, self._ratio))


def stretching(images: Tensor, parts: Rectangles) -> Warp:
    """Makes of each image its part, stretched to the size of the whole; the whole image where there is no part."""
    rows, columns = images.shape[-2:]
    size = torch.stack((parts.width / columns, parts.height / rows), dim=1)
    middle = torch.stack((parts.left / columns, parts.top / rows), dim=1) * 2 + size - 1
    is_there = parts.is_there.view(-1, 1)
    size, middle = (torch.where(is_there, size, 1.0), torch.where(is_there, middle, 0.0))
    places = standing(images) * size[:, None, None] + middle[:, None, None]
    return Warp(places, outside="border")
