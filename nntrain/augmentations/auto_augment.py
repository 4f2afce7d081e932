"""AutoAugment: the policies that were found by search."""

from typing import Literal

import torch
from torch import Tensor

from nntrain.augmentations.colour import channels_as_of_a_picture
from nntrain.augmentations.operations import Operations, usual_spans
from nntrain.registry import augmentation
from nntrain.specs import Image

HIGHEST = 9  # of the levels in the published tables


@augmentation("auto_augment")
class AutoAugment:
    """Changes each image by one of 25 pairs of operations, which were searched for on a data set.

    x' = o_2(o_1(x; m_1); m_2), each with its own probability p_1, p_2, else left out

    The strengths are those of rand_augment, in ten levels. Linear between pixels; black comes in at the edges.
    Source: Cubuk, Zoph, Mane, Vasudevan, Le, AutoAugment, 2019, arXiv:1805.09501, tables 7 to 9.

    Settings:
        policy: the data set that it was found on
    """

    def __init__(self, inputs: Image, *, policy: Literal["cifar10", "imagenet", "svhn"] = "cifar10") -> None:
        from torchvision.transforms import AutoAugment as Published
        from torchvision.transforms import AutoAugmentPolicy

        channels_as_of_a_picture(inputs)
        self._choices = Operations(usual_spans(inputs))
        pairs = Published(AutoAugmentPolicy(policy)).policies
        names = self._choices.names
        self._chosen = torch.tensor([[names.index(name) for name, _, _ in pair] for pair in pairs])
        self._chances = torch.tensor([[chance for _, chance, _ in pair] for pair in pairs])
        self._levels = torch.tensor([[(level or 0) / HIGHEST for _, _, level in pair] for pair in pairs])
        self._nothing = names.index("Identity")

    def __call__(self, images: Tensor) -> Tensor:
        images = images.clamp(0, 1)
        pair = torch.randint(len(self._chosen), (len(images),))
        for i in range(2):
            is_done = torch.rand(len(images)) < self._chances[pair, i]
            chosen = torch.where(is_done, self._chosen[pair, i], self._nothing)
            images = self._choices(images, chosen, self._levels[pair, i])
        return images
