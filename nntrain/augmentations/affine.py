"""Turning, moving, scaling and shearing images."""

import math

from torch import Tensor

from nntrain.augmentations import Degrees, Move, Moving, Range, Slope, drawn, in_order
from nntrain.augmentations.warping import Warp, transformation
from nntrain.registry import augmentation
from nntrain.settings import Factor
from nntrain.specs import Image, Video


@augmentation("rotate")
class Rotate(Moving):
    """Turns each image about its middle by a random angle.

    x' = R(a) x,  a ~ U(-degrees, degrees)

    Linear between pixels; black comes in at the corners. All frames of a video turn alike.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.

    Settings:
        degrees: the largest angle, to either side
    """

    def __init__(self, inputs: Image | Video, *, degrees: Degrees = 15.0) -> None:
        self._largest = math.radians(degrees)

    def move(self, images: Tensor) -> Move:
        return Warp(transformation(images, turn=drawn(images, -self._largest, self._largest)))


@augmentation("affine")
class Affine(Moving):
    """Turns, shears, scales and moves each image at random, all at once.

    x' = R(a) S(b) c x + t,  a ~ U(-rotate, rotate), b ~ U(-shear, shear), c ~ exp U(ln scale),
    t ~ U(-shift, shift) of width and height

    x is taken from the image's middle; S moves each row by tan(b) of its height to the right. Linear between
    pixels; black comes in at the edges. All frames of a video move alike.
    Source: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998,
    section III-C; Simard, Steinkraus, Platt, 2003.

    Settings:
        rotate: the largest angle in degrees, to either side
        shear: the largest angle in degrees by which what was upright leans, to either side
        scale: the smallest and the largest factor of the size
        shift: the largest share of width and height that an image is moved by
    """

    def __init__(
        self,
        inputs: Image | Video,
        *,
        rotate: Degrees = 0.0,
        shear: Slope = 0.0,
        scale: Range = [1.0, 1.0],  # noqa: B006
        shift: Factor = 0.0,
    ) -> None:
        self._turn = math.radians(rotate)
        self._shear = math.radians(shear)
        self._smallest, self._largest = map(math.log, in_order(scale, "scale"))
        self._shift = shift

    def move(self, images: Tensor) -> Move:
        height, width = images.shape[-2:]
        places = transformation(
            images,
            turn=drawn(images, -self._turn, self._turn),
            shear=drawn(images, -self._shear, self._shear),
            scale=drawn(images, self._smallest, self._largest).exp(),
            right=drawn(images, -self._shift, self._shift) * width,
            down=drawn(images, -self._shift, self._shift) * height,
        )
        return Warp(places)
