"""Sinusoidal positions."""

import math

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.positions import Rotation, angles
from nntrain.registry import position
from nntrain.settings import Positive


@position("sinusoidal")
class Sinusoidal(nn.Module):
    """Sines and cosines of many wavelengths, added to what stands at a position.

    h_t = sqrt(width) e_t + p_t;  p_t,2i = sin(t / base^(2i / width));  p_t,2i+1 = cos(t / base^(2i / width))

    Nothing to be learned, and no limit to the length.
    Source: Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762, sections 3.4 and 3.5.

    Settings:
        base: the longest wavelength is 2 pi base
    """

    def __init__(self, length: int, width: int, heads: int, *, base: Positive = 10_000.0) -> None:
        super().__init__()
        if width % 2:
            raise UnfitError(f"sines and cosines need an even width of the network, not {width}")
        self.base = base

    def add(self, x: Tensor, start: int) -> Tensor:
        width = x.shape[-1]
        turns = angles(x, start, width, self.base)
        return math.sqrt(width) * x + torch.stack((turns.sin(), turns.cos()), dim=-1).flatten(1)

    def rotation(self, x: Tensor, start: int) -> Rotation | None:
        return None
