"""What networks over sequences have in common: what comes in as one vector a step, and what goes out."""

from typing import Any

from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.specs import Headed, Series, Tags, Tokens, Vector

FAR = 1000  # steps that cost little, and that a default may look beyond short sequences


class Frames(nn.Module):
    """One vector for each step (batch, time, features), zero where there is padding.

    Series are taken as they are, tokens embedded; a vector that is to become a sequence (one to many) is given at
    every step. Tokens get vectors of `embedding` numbers, or of `default` where that is None.
    """

    def __init__(self, inputs: Series | Tokens | Vector, targets: Headed, embedding: int | None, default: int) -> None:
        super().__init__()
        self.embedding: nn.Embedding | None = None
        if isinstance(inputs, Tokens):
            self.features = embedding or default
            self.embedding = nn.Embedding(len(inputs), self.features)
        elif embedding is not None:
            raise UnfitError(f"only tokens are embedded, and the inputs are {inputs}; leave it out", "embedding")
        else:
            self.features = inputs.features
        self.steps = _steps_to_make(inputs, targets) if isinstance(inputs, Vector) else None

    def forward(self, x: Any) -> Sequences:
        if self.steps is not None:
            return Sequences(x.unsqueeze(1).expand(-1, self.steps, -1))
        values = x.values if self.embedding is None else self.embedding(x.values)
        mask = x.mask()
        return Sequences(values if mask is None else values.masked_fill(~mask.unsqueeze(-1), 0), x.lengths)


def _steps_to_make(inputs: Vector, targets: Headed) -> int:
    """The length of the sequences that vectors become."""
    if not isinstance(targets, Tags | Tokens):
        raise UnfitError(
            f"it reads sequences, or makes them from vectors (one to many); {inputs} with {targets} need neither: "
            "take mlp"
        )
    return targets.length


def refuse_looking_ahead(inputs: Series | Tokens | Vector, targets: Headed, setting: str, instead: str) -> None:
    """UnfitError where a model that looks ahead would see the next token, which it is to foretell."""
    if isinstance(targets, Tokens) and not isinstance(inputs, Vector):
        raise UnfitError(f"the targets are the next tokens, which the model must not see; write {instead}", setting)


def refuse_reaching_far(inputs: Series | Tokens | Vector, steps: int, setting: str) -> None:
    """UnfitError where a unit would look far beyond the longest sequence, which only costs memory and time."""
    longest = steps if isinstance(inputs, Vector) else inputs.length
    if steps > max(longest, FAR):
        raise UnfitError(f"looks {steps:,} steps away, but the longest sequence has {longest:,}; take less", setting)


def without_padding(values: Tensor, mask: Tensor | None) -> Tensor:
    """The values (batch, features, time), zero where the mask (batch, time) is not true."""
    return values if mask is None else values.masked_fill(~mask.unsqueeze(1), 0)


def mean_over_time(values: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of values (batch, features, time) over each sequence's true length."""
    if mask is None:
        return values.mean(dim=2)
    return without_padding(values, mask).sum(dim=2) / mask.sum(dim=1, keepdim=True)
