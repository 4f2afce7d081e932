"""Changes of light and colour."""

import torch
from torch import Tensor

from nntrain.augmentations import drawn, over
from nntrain.errors import UnfitError
from nntrain.registry import augmentation
from nntrain.settings import Factor, NonNegative
from nntrain.specs import Image

LIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


@augmentation("colour")
class Colour:
    """Changes brightness, contrast, saturation and hue of each image at random, in this order.

    x' = f x + (1 - f) g,  f ~ U(max(0, 1 - s), 1 + s), clipped to 0 to 1

    g is black for brightness, the mean grey of the image for contrast, and each pixel's grey for saturation; hue
    turns the angle of HSV by h ~ U(-hue, hue) full circles. Pixels are from 0 to 1.
    Source: Szegedy et al., Going deeper with convolutions, 2014, arXiv:1409.4842, section 6, after Howard, 2013.

    Settings:
        brightness: s of the brightness
        contrast: s of the contrast
        saturation: s of the saturation; of colour images only
        hue: h at most, 0.5 for all colours; of colour images only
    """

    leaves_places = True

    def __init__(
        self,
        inputs: Image,
        *,
        brightness: NonNegative = 0.2,
        contrast: NonNegative = 0.2,
        saturation: NonNegative = 0.0,
        hue: Factor = 0.0,
    ) -> None:
        channels_as_of_a_picture(inputs)
        for name, value in {"saturation": saturation, "hue": hue}.items():
            if value and inputs.channels != 3:
                raise UnfitError(f"grey images have no {name} to change; leave this setting out", name)
        if hue > 0.5:
            raise UnfitError(f"expected at most half a circle, 0.5, found {hue}", "hue")
        self._brightness, self._contrast, self._saturation, self._hue = brightness, contrast, saturation, hue

    def __call__(self, images: Tensor) -> Tensor:
        images = images.clamp(0, 1)
        images = blended(images, torch.zeros_like(images), self._factor(images, self._brightness))
        images = blended(images, mean_grey(images), self._factor(images, self._contrast))
        if self._saturation:
            images = blended(images, grey(images), self._factor(images, self._saturation))
        return turned(images, drawn(images, -self._hue, self._hue)) if self._hue else images

    @staticmethod
    def _factor(images: Tensor, strength: float) -> Tensor:
        return drawn(images, max(0.0, 1 - strength), 1 + strength)


def channels_as_of_a_picture(inputs: Image) -> None:
    """UnfitError for images of other channels than grey, or red, green and blue."""
    if inputs.channels not in (1, 3):
        raise UnfitError(f"needs images of 1 channel (grey) or 3 (red, green, blue), not {inputs}")


def blended(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """f x + (1 - f) g, from 0 to 1, each image by its own factor (batch,)."""
    return torch.lerp(others, images, over(factors.to(images), images)).clamp(0, 1)


def grey(images: Tensor) -> Tensor:
    """The lightness of each pixel (batch, 1, height, width)."""
    if images.shape[1] == 1:
        return images
    return sum(share * images[:, i : i + 1] for i, share in enumerate(LIGHTNESS))  # type: ignore[return-value]


def mean_grey(images: Tensor) -> Tensor:
    """The mean lightness of each image, (batch, 1, 1, 1)."""
    return grey(images).mean(dim=(-3, -2, -1), keepdim=True)


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """Red, green and blue with the hue of HSV turned, each image by its own part of a circle (batch,).

    H is in sixths of a circle; k = (n + H) mod 6, colour = V - V S clip(min(k, 4 - k), 0, 1) for n = 5, 3, 1.
    """
    value, most = images.max(dim=1)
    spread = value - images.amin(dim=1)
    # Of the two colours after the strongest the difference, which is 0 where there is no spread.
    red, green, blue = images.unbind(dim=1)
    differences = torch.stack((green - blue, blue - red, red - green), dim=1)
    difference = differences.gather(1, most.unsqueeze(1)).squeeze(1)
    hue = 2 * most + difference / torch.where(spread > 0, spread, 1.0) + 6 * turns.to(images).view(-1, 1, 1)
    parts = [(n + hue) % 6 for n in (5, 3, 1)]
    return torch.stack([value - spread * torch.minimum(k, 4 - k).clamp(0, 1) for k in parts], dim=1)
