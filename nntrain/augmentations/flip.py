"""Mirrored images."""

import torch
from torch import Tensor

from nntrain.augmentations import Move, Moving, drawn, over
from nntrain.registry import augmentation
from nntrain.settings import Factor
from nntrain.specs import Image, Video


@augmentation("flip")
class Flip(Moving):
    """Mirrors some of the images, left for right or top for bottom.

    x'_ij = x_i(w-1-j) with probability `horizontal`, x'_ij = x_(h-1-i)j with probability `vertical`

    Source: Krizhevsky, Sutskever, Hinton, ImageNet classification with deep convolutional neural networks, 2012,
    section 4.1.

    Settings:
        horizontal: the share of the images whose left becomes right
        vertical: the share of the images whose top becomes bottom
    """

    def __init__(self, inputs: Image | Video, *, horizontal: Factor = 0.5, vertical: Factor = 0.0) -> None:
        self._shares = {-1: horizontal, -2: vertical}

    def move(self, images: Tensor) -> Move:
        flipped = {axis: drawn(images, 0.0, 1.0) < share for axis, share in self._shares.items()}

        def mirror(planes: Tensor, *, nearest: bool = False) -> Tensor:
            for axis, is_flipped in flipped.items():
                planes = torch.where(over(is_flipped, planes), planes.flip(axis), planes)
            return planes

        return mirror
