"""The operations on pictures that AutoAugment and what came after it choose from, each image its own.

An operation takes pixels from 0 to 1 (batch, channels, height, width) and a strength for each image (batch,), the
ends of whose range a `Span` gives.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.augmentations.colour import blended, grey, mean_grey
from nntrain.augmentations.warping import transformed
from nntrain.specs import Image


class Span(NamedTuple):
    """The strength of an operation at the lowest and at the highest level, and whether its sign is random."""

    low: float = 0.0
    high: float = 0.0
    is_signed: bool = False


def shear_x(images: Tensor, strength: Tensor) -> Tensor:
    """Moves each row to the side by a share of its distance from the top."""
    return transformed(images, shear=strength.atan(), right=strength * images.shape[-2] / 2)


def shear_y(images: Tensor, strength: Tensor) -> Tensor:
    return shear_x(images.transpose(-1, -2), strength).transpose(-1, -2)


def posterize(images: Tensor, strength: Tensor) -> Tensor:
    """Keeps the highest of the 8 bits of each pixel, as many as the strength says to the nearest."""
    width = 2 ** (8 - strength).round().view(-1, 1, 1, 1)
    return (as_bytes(images) / width).floor() * width / 255


def solarize(images: Tensor, strength: Tensor) -> Tensor:
    """Inverts the pixels that are at least the strength, from 0 to 255."""
    return torch.where(as_bytes(images) >= strength.view(-1, 1, 1, 1), 1 - images, images)


def sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Away from what the pixels around each say, or towards it; torchvision's own copies its kernel to the device."""
    if min(images.shape[-2:]) < 3:
        return images
    kernel = images.new_full((3, 3), 1 / 13)
    kernel[1, 1] = 5 / 13
    smooth = images.clone()
    within = smooth[..., 1:-1, 1:-1]
    within += F.conv2d(images, kernel.expand(images.shape[1], 1, 3, 3), groups=images.shape[1]).sub_(within)
    return blended(images, smooth.clamp_(0, 1), 1 + strength)


def autocontrast(images: Tensor, strength: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import autocontrast_image

    return autocontrast_image(images)


def equalize(images: Tensor, strength: Tensor) -> Tensor:
    from torchvision.transforms.v2.functional import equalize_image

    return equalize_image(images)


def as_bytes(images: Tensor) -> Tensor:
    """Whole numbers from 0 to 255."""
    return (images * 255).round()


OPERATIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Identity": lambda images, strength: images,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": lambda images, strength: transformed(images, right=strength.trunc()),
    "TranslateY": lambda images, strength: transformed(images, down=strength.trunc()),
    "Rotate": lambda images, strength: transformed(images, turn=strength.deg2rad()),
    "Brightness": lambda images, strength: blended(images, torch.zeros_like(images), 1 + strength),
    "Color": lambda images, strength: blended(images, grey(images), 1 + strength),
    "Contrast": lambda images, strength: blended(images, mean_grey(images), 1 + strength),
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": autocontrast,
    "Equalize": equalize,
    "Invert": lambda images, strength: 1 - images,
}


def usual_spans(inputs: Image) -> dict[str, Span]:
    """Of AutoAugment and RandAugment: shares of the height, pixels, degrees, factors less 1, bits, bytes."""
    moved = 150 / 331  # of width or height, as with AutoAugment's images of 331x331
    return {
        **{name: Span(0.0, 0.3, True) for name in ("ShearX", "ShearY")},
        "TranslateX": Span(0.0, moved * inputs.width, True),
        "TranslateY": Span(0.0, moved * inputs.height, True),
        "Rotate": Span(0.0, 30.0, True),
        **{name: Span(0.0, 0.9, True) for name in ("Brightness", "Color", "Contrast", "Sharpness")},
        "Posterize": Span(8.0, 4.0),
        "Solarize": Span(255.0, 0.0),
        **{name: Span() for name in ("AutoContrast", "Equalize", "Identity", "Invert")},
    }


def wide_spans() -> dict[str, Span]:
    """Of TrivialAugment, in the same units."""
    return {
        **{name: Span(0.0, 0.99, True) for name in ("ShearX", "ShearY")},
        **{name: Span(0.0, 32.0, True) for name in ("TranslateX", "TranslateY")},
        "Rotate": Span(0.0, 135.0, True),
        **{name: Span(0.0, 0.99, True) for name in ("Brightness", "Color", "Contrast", "Sharpness")},
        "Posterize": Span(8.0, 2.0),
        "Solarize": Span(255.0, 0.0),
        **{name: Span() for name in ("AutoContrast", "Equalize", "Identity")},
    }


class Operations:
    """Some operations by number, each with the span of its strength.

    Which operation an image gets, and how strong, is drawn from torch's generator of the CPU, wherever the images
    are, so that the images of an operation can be taken together without waiting for a device.
    """

    def __init__(self, spans: Mapping[str, Span]) -> None:
        self.names = list(spans)
        self._low, self._high = (torch.tensor([getattr(s, end) for s in spans.values()]) for end in ("low", "high"))
        self._is_signed = torch.tensor([span.is_signed for span in spans.values()])

    def __len__(self) -> int:
        return len(self.names)

    def __call__(self, images: Tensor, chosen: Tensor, levels: Tensor | float) -> Tensor:
        """Each image changed by the operation that is chosen for it (batch,), at a level from 0 to 1."""
        signs = torch.where(self._is_signed[chosen] & (torch.rand(len(chosen)) < 0.5), -1.0, 1.0)
        strengths = signs * torch.lerp(self._low[chosen], self._high[chosen], levels)
        changed = images.clone()
        for number in sorted(set(chosen.tolist())):
            members = (chosen == number).nonzero().flatten()
            of_device, own = (t.to(images.device, non_blocking=True) for t in (members, strengths[members]))
            result = OPERATIONS[self.names[number]](images.index_select(0, of_device), own.to(images.dtype))
            changed.index_copy_(0, of_device, result)
        return changed
