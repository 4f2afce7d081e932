"""Elastic distortions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.augmentations import Move, Moving, drawn
from nntrain.augmentations.warping import Warp
from nntrain.registry import augmentation
from nntrain.settings import NonNegative, Positive
from nntrain.specs import Image, Video


@augmentation("elastic")
class Elastic(Moving):
    """Bends each image as a hand's muscles bend its writing: every pixel is taken from a place near it.

    x'(p) = x(p + d(p)),  d = alpha G_sigma * u,  u(p) ~ U(-1, 1)^2

    G_sigma is a normal density of deviation sigma, u is 0 outside of the image. A pixel's displacement along each
    axis has a deviation of about alpha / (6.1 sigma) pixels. Linear between pixels; black comes in at the edges.
    All frames of a video bend alike.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks applied to visual document
    analysis, 2003 (alpha 34, sigma 4 on MNIST).

    Settings:
        alpha: how far pixels are displaced
        sigma: over how many pixels displacements are alike: small for a rough distortion, large for a smooth one
    """

    def __init__(self, inputs: Image | Video, *, alpha: NonNegative = 34.0, sigma: Positive = 4.0) -> None:
        self._alpha = alpha
        self._along, self._across = smoothing(inputs.height, sigma), smoothing(inputs.width, sigma)

    def move(self, images: Tensor) -> Move:
        self._along, self._across = self._along.to(images), self._across.to(images)
        right, down = self.displacements(images).unbind(dim=1)
        height, width = images.shape[-2:]
        return Warp(standing(images) + torch.stack((right * 2 / width, down * 2 / height), dim=-1))

    def displacements(self, images: Tensor) -> Tensor:
        """d of every pixel, in pixels to the right and down (batch, 2, height, width)."""
        return self._alpha * (self._along @ drawn(images, -1.0, 1.0, 2, *images.shape[-2:]) @ self._across)


def standing(images: Tensor) -> Tensor:
    """The pixels' own places (1, height, width, 2)."""
    identity = torch.eye(2, 3, dtype=images.dtype, device=images.device).unsqueeze(0)
    return F.affine_grid(identity, [1, 1, *images.shape[-2:]], align_corners=False)


def smoothing(size: int, sigma: float) -> Tensor:
    """The matrix (size, size) that convolves a row of numbers, 0 outside, with a normal density."""
    steps = torch.arange(size)
    density = torch.exp(-0.5 * ((steps[:, None] - steps) / sigma) ** 2)
    reach = torch.arange(-math.ceil(6 * sigma), math.ceil(6 * sigma) + 1)
    return density / torch.exp(-0.5 * (reach / sigma) ** 2).sum()
