"""The encoder: BERT."""

from typing import Literal

import torch
from torch import Tensor, nn

from nntrain.batch import Sequences
from nntrain.errors import UnfitError
from nntrain.forms import Architecture
from nntrain.forms.attention import Scope, over_keys
from nntrain.forms.embedding import Embedding
from nntrain.forms.readout import mean
from nntrain.forms.stack import Norm, Stack, start_small
from nntrain.registry import form
from nntrain.settings import Probability
from nntrain.specs import Headed, Series, Tokens

Readout = Literal["mean", "first"]


@form("encoder")
class Encoder(nn.Module):
    """Every position sees all others: for what is known of a whole sequence, or of each position in it.

    x = x + attention(norm(x)); x = x + W_down f(W_up norm(x) + b_up) + b_down   (norm before)
    features = mean_t norm(x)_t, or norm(x) where the targets are tags

    Takes tokens and series; classes, values and tags. Padding is not seen. As BERT-base with norm: after,
    activation: gelu, dropout: 0.1, readout: first, pooler: true, separator: "[SEP]", width 768, 12 heads and layers,
    positions: {type: learned, longest: 512} and its 30,522 tokens it has 109,482,240 parameters.
    Source: Devlin et al., BERT, 2018, arXiv:1810.04805.

    Settings:
        norm: before each part of a layer, which trains well without a warm-up, or after it, as in BERT
        scale: whether queries times keys are divided by sqrt(d); false as some text books write it
        readout: mean over the positions, or the first one, where the data puts a token for it such as [CLS];
            left out, mean; tags have none
        pooler: whether a layer tanh(W x + b) follows the readout; tags have none
        separator: the token after which the second segment begins: what stands in either gets a trained vector
            added; left out, there are no segments
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
        readout: Readout | None = None,
        pooler: bool = False,
        separator: str | None = None,
        stochastic_depth: Probability = 0.0,
    ) -> None:
        super().__init__()
        refuse_to_look_ahead("encoder", targets)
        width = self.features = architecture.width
        self.per_position = targets.per_position
        if self.per_position and (readout or pooler):
            raise UnfitError("every position has a label, so there is no readout", "readout" if readout else "pooler")
        self.reads_first = readout == "first"
        self.embedding = Embedding(inputs, architecture)
        self.segments = None if separator is None else Segments(inputs, separator, width)
        self.stack = Stack(architecture, norm=norm, scale=scale, stochastic_depth=stochastic_depth)
        self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh()) if pooler else nn.Identity()
        for part in (self.embedding, self.segments, self.pooler):
            if part is not None:
                start_small(part)

    def forward(self, x: Sequences) -> Tensor:
        mask = x.mask()
        h = self.embedding(x.values)
        if self.segments is not None:
            h = h + self.segments(x.values)
        scope = Scope(over_keys(mask), rotation=self.embedding.positions.rotation(h, 0))
        h = self.stack(h, scope)
        if self.per_position:
            return h
        return self.pooler(h[:, 0] if self.reads_first else mean(h, mask))


class Segments(nn.Module):
    """A trained vector for the first segment of a text, up to and with its separator, and one for the rest."""

    def __init__(self, inputs: Tokens | Series, separator: str, width: int) -> None:
        super().__init__()
        if not isinstance(inputs, Tokens):
            raise UnfitError("a series of numbers has no separator; leave this setting out", "separator")
        if separator not in inputs.vocabulary:
            raise UnfitError(f"the vocabulary has no token {separator!r}", "separator")
        self.separator = inputs.vocabulary.index(separator)
        self.embedding = nn.Embedding(2, width)

    def forward(self, tokens: Tensor) -> Tensor:
        is_separator = (tokens == self.separator).long()
        before = is_separator.cumsum(dim=1) - is_separator
        return self.embedding(torch.clamp(before, max=1))


def refuse_to_look_ahead(name: str, targets: Headed) -> None:
    """UnfitError where the next token is to be predicted, which every position of this form would see."""
    if isinstance(targets, Tokens):
        raise UnfitError(f"{name} looks ahead and would see the next token; write form: decoder for a language model")
