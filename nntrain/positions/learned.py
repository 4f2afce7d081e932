"""Learned positions."""

from torch import Tensor, arange, nn

from nntrain.errors import RunError, UnfitError
from nntrain.positions import Rotation
from nntrain.registry import position
from nntrain.settings import Count


@position("learned")
class Learned(nn.Module):
    """A trained vector for each position, added to what stands there.

    h_t = e_t + p_t

    Good where sequences are never longer than in training; sequences longer than the table are refused.
    Source: Gehring et al. 2017, arXiv:1705.03122; as in BERT and GPT-2.

    Settings:
        longest: for how many positions there are vectors; left out, as many as the data's longest sequence has
    """

    def __init__(self, length: int, width: int, heads: int, *, longest: Count | None = None) -> None:
        super().__init__()
        if longest is not None and longest < length:
            raise UnfitError(f"the data's longest sequence has {length} positions; write at least {length}", "longest")
        self.table = nn.Embedding(longest or length, width)

    def add(self, x: Tensor, start: int) -> Tensor:
        end = start + x.shape[1]
        if end > self.table.num_embeddings:
            raise RunError(
                f"a sequence of {end} is longer than the {self.table.num_embeddings} learned positions; train with "
                "positions: {type: learned, longest: ...}, or with others, such as sinusoidal"
            )
        return x + self.table(arange(start, end, device=x.device))

    def rotation(self, x: Tensor, start: int) -> Rotation | None:
        return None
