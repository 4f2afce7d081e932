"""Handwritten digits that do not stand in the middle."""

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.scikit_learn import digits
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import Whole
from nntrain.specs import Image

MARGIN = 4


@data("shifted_digits", within=InMemory)
def shifted_digits(*, shift: Whole = 0, seed: Whole = 0) -> Source:
    """The 1,797 handwritten digits of `digits` on empty pictures of 16x16, 10 classes, moved away from the middle.

    Shows what a network has learned of places: train it with shift: 0 and measure it with
    `nntrain eval RUN data.shift=4`.
    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.

    Settings:
        shift: each digit is moved by up to so many pixels (at most 4) up or down, and left or right, at random
        seed: of where each digit goes
    """
    if shift > MARGIN:
        raise UnfitError(f"the digits can be moved by at most {MARGIN} pixels, not {shift}", "shift")
    centred = digits()
    images, side = centred.train.inputs, 8 + 2 * MARGIN
    generator = torch.Generator().manual_seed(seed)
    top, left = torch.randint(MARGIN - shift, MARGIN + shift + 1, (2, len(images), 1, 1), generator=generator)
    rows, columns = torch.arange(8).view(-1, 1) + top, torch.arange(8).view(1, -1) + left
    pictures = images.new_zeros(len(images), 1, side, side)
    pictures[torch.arange(len(images)).view(-1, 1, 1), 0, rows, columns] = images.squeeze(1)
    shifted = Examples(pictures, centred.train.targets)
    return Source("shifted_digits", Image(1, side, side), centred.targets, shifted, scale=centred.scale)
