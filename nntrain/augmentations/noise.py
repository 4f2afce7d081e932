"""Normal noise on whatever is a real number."""

from typing import Any

import torch

from nntrain.batch import Sequences
from nntrain.registry import augmentation
from nntrain.settings import NonNegative
from nntrain.specs import Image, Series, Vector, Video


@augmentation("noise")
class Noise:
    """Adds normal noise to every input.

    x' = x + deviation n,  n ~ N(0, 1)

    Inputs are the standardised ones where they are standardised; but pixels from 0, black, to 1 of images and
    videos, which are standardised after all augmentation. The padding of a series stays 0.
    Source: Bishop, Training with noise is equivalent to Tikhonov regularization, 1995.

    Settings:
        deviation: of the noise
    """

    leaves_places = True

    def __init__(self, inputs: Vector | Image | Video | Series, *, deviation: NonNegative = 0.1) -> None:
        self._deviation = deviation

    def __call__(self, inputs: Any) -> Any:
        if not isinstance(inputs, Sequences):
            return inputs + self._deviation * torch.randn_like(inputs)
        noise, mask = self._deviation * torch.randn_like(inputs.values), inputs.mask()
        return Sequences(inputs.values + (noise if mask is None else noise * mask.unsqueeze(2)), inputs.lengths)
