"""RandAugment and TrivialAugment: operations drawn at random, with next to nothing to be tuned."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nntrain.augmentations.colour import channels_as_of_a_picture
from nntrain.augmentations.operations import Operations, usual_spans, wide_spans
from nntrain.registry import augmentation
from nntrain.settings import Count
from nntrain.specs import Image

HIGHEST = 30  # of the levels, which begin at 0
Level = Annotated[int, Ge(0), Le(HIGHEST)]


@augmentation("rand_augment")
class RandAugment:
    """Changes each image by some operations drawn at random, one after the other, all at the same level.

    x' = o_operations(... o_1(x)),  o_i ~ U{14 operations}

    They are identity, shear and translation along each axis, rotation, brightness, colour, contrast, sharpness,
    posterize, solarize, autocontrast and equalize; geometric and light ones with a random sign. Strengths grow
    with the level, to 0.3, 45 % of the size, 30 degrees, 0.9, 4 bits at level 30. Linear between pixels; black
    comes in at the edges.
    Source: Cubuk, Zoph, Shlens, Le, RandAugment, 2020, arXiv:1909.13719; strengths as in torchvision.

    Settings:
        operations: how many each image gets
        level: how strong they are
    """

    def __init__(self, inputs: Image, *, operations: Count = 2, level: Level = 9) -> None:
        channels_as_of_a_picture(inputs)
        spans = usual_spans(inputs)
        del spans["Invert"]
        self._choices = Operations(spans)
        self._count = operations
        self._level = level / HIGHEST

    def __call__(self, images: Tensor) -> Tensor:
        images = images.clamp(0, 1)
        for _ in range(self._count):
            images = self._choices(images, torch.randint(len(self._choices), (len(images),)), self._level)
        return images


@augmentation("trivial_augment")
class TrivialAugment:
    """Changes each image by one operation drawn at random, at a level drawn at random.

    x' = o(x; m),  o ~ U{14 operations}, m ~ U{0, ..., 30}

    The operations are those of rand_augment, with wider strengths: at level 30 shear 0.99, translation by 32
    pixels, rotation by 135 degrees, 0.99 for brightness, colour, contrast and sharpness, 2 bits for posterize.
    Source: Mueller, Hutter, TrivialAugment, 2021, arXiv:2103.10158 (the wide space).
    """

    def __init__(self, inputs: Image) -> None:
        channels_as_of_a_picture(inputs)
        self._choices = Operations(wide_spans())

    def __call__(self, images: Tensor) -> Tensor:
        chosen = torch.randint(len(self._choices), (len(images),))
        levels = torch.randint(HIGHEST + 1, (len(images),)) / HIGHEST
        return self._choices(images.clamp(0, 1), chosen, levels)
