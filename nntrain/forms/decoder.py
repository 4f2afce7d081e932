"""The decoder: GPT."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.forms import Architecture
from nntrain.forms.attention import Cache, Scope
from nntrain.forms.embedding import Embedding
from nntrain.forms.head import head
from nntrain.forms.readout import last
from nntrain.forms.stack import Norm, Stack, start_small
from nntrain.registry import form
from nntrain.settings import Probability
from nntrain.specs import Headed, Series, Tokens


@form("decoder")
class Decoder(nn.Module):
    """Every position sees itself and those before it: a language model.

    x = x + attention(norm(x)); x = x + W_down f(W_up norm(x) + b_up) + b_down   (norm before)
    features = norm(x), or norm(x) at the last position where the targets are classes or values

    Takes tokens and series; next tokens, tags, classes and values. Padding stands at the end, where no position
    before it sees it. As GPT-2 small with activation: gelu, width 768, 12 heads and layers,
    positions: {type: learned, longest: 1024} and its 50,257 tokens it has 124,439,808 parameters.
    Source: Radford et al., Language models are unsupervised multitask learners, 2019.

    Settings:
        norm: before each part of a layer as in GPT-2, or after it as in GPT
        scale: whether queries times keys are divided by sqrt(d); false as some text books write it
        tied: whether a token's weights in the head are its embedding; left out, yes in a language model; other
            targets have none
        stochastic_depth: how often the last layer leaves out what a part of it adds to an example, in training; the
            others proportionally less, the lower they are (Huang et al. 2016, arXiv:1603.09382)
    """

    def __init__(
        self,
        inputs: Tokens | Series,
        targets: Headed,
        architecture: Architecture,
        *,
        norm: Norm = "before",
        scale: bool = True,
        tied: bool | None = None,
        stochastic_depth: Probability = 0.0,
    ) -> None:
        super().__init__()
        predicts_inputs = isinstance(inputs, Tokens) and isinstance(targets, Tokens)
        if tied is not None and not predicts_inputs:
            raise UnfitError(f"{targets} are not the inputs' tokens, so no weights can be tied", "tied")
        self.features = architecture.width
        self.per_position = targets.per_position
        self.is_tied = predicts_inputs and tied is not False
        self.context = inputs.length
        self.embedding = Embedding(inputs, architecture)
        self.stack = Stack(architecture, norm=norm, scale=scale, stochastic_depth=stochastic_depth)
        start_small(self.embedding)

    def forward(self, x: Sequences, caches: Sequence[Cache] | None = None) -> Tensor:
        """With caches, which `new_caches` makes, `x` is what follows the positions that they have seen."""
        start = caches[0].length if caches else 0
        h = self.embedding(x.values, start)
        scope = causal(h, start)._replace(rotation=self.embedding.positions.rotation(h, start))
        h = self.stack(h, scope, caches)
        return h if self.per_position else last(h, x.lengths)

    def new_caches(self) -> list[Cache]:
        return [Cache() for _ in self.stack.layers]

    def head_for(self, targets: Headed) -> nn.Module:
        """W h with the embedding as W where it is tied, else W h + b."""
        return head(self.features, len(targets), self.embedding.inputs if self.is_tied else None)


def causal(x: Tensor, start: int) -> Scope:
    """The scope of features (batch, time, width), the first at position `start`, that see none after them."""
    time = x.shape[1]
    if start == 0:
        return Scope(is_causal=True)
    return Scope(None if time == 1 else torch.ones(time, start + time, dtype=torch.bool, device=x.device).tril(start))
