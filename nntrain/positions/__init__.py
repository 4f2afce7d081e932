"""Positions: how a transformer, which sees its inputs as a set, knows their order."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Rotation(NamedTuple):
    """Cosine and sine of the angles by which a head's pairs of features are turned, (time, features / 2)."""

    cosine: Tensor
    sine: Tensor

    def turn(self, x: Tensor) -> Tensor:
        """Features (batch, heads, time, features), turned: feature i forms a pair with feature i + features / 2."""
        first, second = x.chunk(2, dim=-1)
        turned = (first * self.cosine - second * self.sine, first * self.sine + second * self.cosine)
        return torch.cat(turned, dim=-1).to(x.dtype)


class Positions(Protocol):
    """Is made for the longest sequence, the width of the network and its number of heads."""

    def add(self, x: Tensor, start: int) -> Tensor:
        """Embedded inputs (batch, time, width), the first of them at position `start`, with their positions."""

    def rotation(self, x: Tensor, start: int) -> Rotation | None:
        """By how much queries and keys at these positions are turned; None where they are not."""


def angles(x: Tensor, start: int, features: int, base: float) -> Tensor:
    """Position t times base^(-2i / features), for the time steps of x (batch, time, ...): (time, features / 2)."""
    exact = torch.promote_types(x.dtype, torch.float32)  # in bfloat16 step 300 would be off by a whole radian
    positions = torch.arange(start, start + x.shape[1], device=x.device, dtype=exact)
    speeds = base ** (-torch.arange(0, features, 2, device=x.device, dtype=exact) / features)
    return positions[:, None] * speeds
