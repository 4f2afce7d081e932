"""Rotary positions."""

from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.positions import Rotation, angles
from nntrain.registry import position
from nntrain.settings import Positive


@position("rotary")
class Rotary(nn.Module):
    """Queries and keys are turned by angles that grow with their position, so that attention sees distances.

    (q_i, q_j) is turned by t base^(-2i / d), j = i + d / 2, for the d features of a head;
    q'_s . k'_t then depends on s and t by s - t alone

    Nothing to be learned, and no limit to the length.
    Source: Su et al., RoFormer, 2021, arXiv:2104.09864 (which pairs neighbouring features: the same network with
    its features in another order).

    Settings:
        base: the slowest pair turns by about 1 / base at each position
    """

    def __init__(self, length: int, width: int, heads: int, *, base: Positive = 10_000.0) -> None:
        super().__init__()
        self.features = width // heads
        if self.features % 2:
            raise UnfitError(f"rotary positions turn pairs of features; a head has {self.features}, an odd number")
        self.base = base

    def add(self, x: Tensor, start: int) -> Tensor:
        return x

    def rotation(self, x: Tensor, start: int) -> Rotation | None:
        turns = angles(x, start, self.features, self.base)
        return Rotation(turns.cos(), turns.sin())
