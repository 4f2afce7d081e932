"""No positions."""

from torch import Tensor, nn

from nntrain.positions import Rotation
from nntrain.registry import position


@position("none")
class NoPositions(nn.Module):
    """The order of the inputs is unknown to the network, but for what a causal mask tells it.

    h_t = e_t

    Good for sets, and to see what positions are worth.
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5, on why there are others.
    """

    def __init__(self, length: int, width: int, heads: int) -> None:
        super().__init__()

    def add(self, x: Tensor, start: int) -> Tensor:
        return x

    def rotation(self, x: Tensor, start: int) -> Rotation | None:
        return None
