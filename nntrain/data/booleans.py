"""Made-up data of bits, every pattern once: training, dev and test set are the same, since nothing is to generalise."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source, as_they_are
from nntrain.registry import data
from nntrain.specs import Classes, Image, Targets, Vector

Bits = Annotated[int, Ge(2), Le(16)]
Side = Annotated[int, Ge(2), Le(12)]


@data("xor", within=InMemory)
def xor() -> Source:
    """The four pairs of bits, and whether exactly one of both is 1: no linear model can tell.

    Training, dev and test set are all four. Standardised, bits are -1 and 1.
    Source: Minsky, Papert, Perceptrons, 1969.
    """
    patterns = _all_bits(2)
    return _whole("xor", Vector(2), Classes(("equal", "different")), patterns, patterns.sum(dim=1) % 2)


@data("parity", within=InMemory)
def parity(*, bits: Bits = 8) -> Source:
    """All rows of some bits, and whether the number of ones in them is odd: every single bit decides.

    Training, dev and test set are all 2^bits rows. Standardised, bits are -1 and 1.
    Source: Minsky, Papert, Perceptrons, 1969.

    Settings:
        bits: how many a row has
    """
    patterns = _all_bits(bits)
    return _whole("parity", Vector(bits), Classes(("even", "odd")), patterns, patterns.sum(dim=1) % 2)


@data("bars_and_stripes", within=as_they_are)
def bars_and_stripes(*, side: Side = 3) -> Source:
    """Images whose columns, or whose rows, are all 0 or all 1: 2^(side + 1) - 2 different ones.

    Training, dev and test set are all of them; classes are bars (columns), stripes (rows), and both for the two
    images that are blank or full.
    Source: MacKay, Information Theory, Inference, and Learning Algorithms, 2003, section 43.3.

    Settings:
        side: how many pixels high and wide an image is
    """
    codes = _all_bits(side)
    stripes = codes[:, :, None].expand(-1, -1, side)
    bars = codes[1:-1, None, :].expand(-1, side, -1)
    images = torch.cat((stripes, bars)).unsqueeze(1)
    is_uniform = images.flatten(1).float().var(dim=1) == 0
    targets = torch.arange(len(images)).lt(len(stripes)).long().masked_fill(is_uniform, 2)
    return _whole("bars_and_stripes", Image(1, side, side), Classes(("bars", "stripes", "both")), images, targets)


def _all_bits(bits: int) -> Tensor:
    """All rows of bits in the order of the numbers that they write, (2^bits, bits)."""
    return torch.arange(2**bits)[:, None] >> torch.arange(bits - 1, -1, -1) & 1


def _whole(name: str, inputs: Vector | Image, targets: Targets, patterns: Tensor, labels: Tensor) -> Source:
    examples = Examples(patterns, labels)
    return Source(name, inputs, targets, examples, test=lambda: examples, dev=lambda: examples)
