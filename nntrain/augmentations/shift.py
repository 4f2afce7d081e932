"""Images moved by whole pixels."""

from typing import Literal

import torch
from torch import Tensor

from nntrain.augmentations import Move, Moving, whole
from nntrain.errors import UnfitError
from nntrain.registry import augmentation
from nntrain.settings import Whole
from nntrain.specs import Image, Video

Border = Literal["black", "edge", "mirrored"]


@augmentation("shift")
class Shift(Moving):
    """Moves each image by whole pixels, which is a random crop of the image with a border around it.

    x'_ij = x_(i-v)(j-h),  v, h ~ U{-pixels, ..., pixels}

    All frames of a video move alike.
    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, 2012,
    section 4.1; with a border of 4 pixels on CIFAR: He, Zhang, Ren, Sun, 2015, arXiv:1512.03385, section 4.2.

    Settings:
        pixels: how far at most, up or down, and left or right: the width of the border
        border: what comes in: black, the pixels at the edge again, or the image mirrored at the edge
    """

    def __init__(self, inputs: Image | Video, *, pixels: Whole = 2, border: Border = "black") -> None:
        if pixels >= min(inputs.height, inputs.width):
            raise UnfitError(f"expected fewer than the sides of {inputs} have, found {pixels}", "pixels")
        self._pixels = pixels
        self._border = border

    def move(self, images: Tensor) -> Move:
        down, right = (whole(images, 2 * self._pixels + 1, 2) - self._pixels).long().unbind(dim=1)

        def shift(planes: Tensor, *, nearest: bool = False) -> Tensor:
            return moved(moved(planes, down, -2, self._border), right, -1, self._border)

        return shift


def moved(images: Tensor, by: Tensor, axis: int, border: Border) -> Tensor:
    """The images moved along an axis, each by a whole number of pixels (batch,)."""
    size = images.shape[axis]
    places = torch.arange(size, device=images.device) - by[:, None]
    last = size - 1
    seen = last - (last - places.abs()).abs() if border == "mirrored" else places.clamp(0, last)
    shape = [len(images), *[1] * (images.dim() - 1)]
    shape[axis] = size
    found = images.gather(axis, seen.view(shape).expand_as(images))
    if border != "black":
        return found
    return found * ((places >= 0) & (places < size)).view(shape)
