"""Encoder and decoder: translation."""

from collections.abc import Sequence

from torch import Tensor, nn

from nntrain.batch import Pair, Sequences, each
from nntrain.forms import Architecture
from nntrain.forms.attention import Cache, Memory, Scope, over_keys
from nntrain.forms.decoder import causal
from nntrain.forms.embedding import Embedding
from nntrain.forms.head import head
from nntrain.forms.stack import Norm, Stack, start_small
from nntrain.registry import form
from nntrain.settings import Probability
from nntrain.specs import Headed, Pairs, Tokens


@form("encoder_decoder")
class EncoderDecoder(nn.Module):
    """An encoder reads the source; a decoder sees it and what stands before in the target: translation.

    m = encoder(source);  in each layer of the decoder (norm before):
    x = x + attention(norm(x)); x = x + attention(norm(x), to m); x = x + W_down f(W_up norm(x) + b_up) + b_down

    Takes pairs of sequences of tokens; next tokens of the target. `layers` are in the encoder, and as many in the
    decoder. Padding of the source is not seen; that of the target stands at its end.
    Source: Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762.

    Settings:
        norm: before each part of a layer, or after it as in the paper
        scale: whether queries times keys are divided by sqrt(d); false as some text books write it
        tied: whether a token's weights in the head are its embedding in the target
        stochastic_depth: how often the last layer leaves out what a part of it adds to an example, in training; the
            others proportionally less, the lower they are (Huang et al. 2016, arXiv:1603.09382)
    """

    def __init__(
        self,
        inputs: Pairs,
        targets: Tokens,
        architecture: Architecture,
        *,
        norm: Norm = "before",
        scale: bool = True,
        tied: bool = True,
        stochastic_depth: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.features = architecture.width
        self.tied = tied
        self.context = inputs.target_length
        self.source_embedding = Embedding(Tokens(inputs.source, inputs.source_length), architecture)
        self.target_embedding = Embedding(Tokens(inputs.target, inputs.target_length), architecture)
        self.encoder = Stack(architecture, norm=norm, scale=scale, stochastic_depth=stochastic_depth)
        self.decoder = Stack(architecture, norm=norm, scale=scale, stochastic_depth=stochastic_depth, has_memory=True)
        for embedding in (self.source_embedding, self.target_embedding):
            start_small(embedding)

    def forward(self, x: Pair) -> Tensor:
        return self.decode(x.target, self.encode(x.source))

    def encode(self, source: Sequences) -> Memory:
        """What the decoder is to know of a source."""
        mask, h = source.mask(), self.source_embedding(source.values)
        rotation = self.source_embedding.positions.rotation(h, 0)
        return Memory(self.encoder(h, Scope(over_keys(mask), rotation=rotation)), mask)

    def decode(self, target: Sequences, memory: Memory, caches: Sequence[Cache] | None = None) -> Tensor:
        """The features (batch, time, width) at every position of a target, from which the next token is read.

        With caches, which `new_caches` makes, `target` is what follows the positions that they have seen.
        """
        start = caches[0].length if caches else 0
        h = self.target_embedding(target.values, start)
        scope = causal(h, start)._replace(rotation=self.target_embedding.positions.rotation(h, start))
        return self.decoder(h, scope, caches, memory)

    def new_caches(self) -> list[Cache]:
        return [Cache() for _ in self.decoder.layers]

    def begun(self, source: Sequences) -> "Progress":
        return Progress(self.encode(source), self.new_caches())

    def follow(self, tokens: Tensor, state: "Progress") -> Tensor:
        return self.decode(Sequences(tokens), state.memory, state.caches)

    def head_for(self, targets: Headed) -> nn.Module:
        """W h with the target's embedding as W where it is tied, else W h + b."""
        return head(self.features, len(targets), self.target_embedding.inputs if self.tied else None)


class Progress:
    """What is known of sources, and of their targets so far."""

    def __init__(self, memory: Memory, caches: Sequence[Cache]) -> None:
        self.memory = memory
        self.caches = caches

    def select(self, rows: Tensor, sources: bool) -> None:
        if sources:
            self.memory = each(lambda part: part[rows], self.memory)
        for cache in self.caches:
            cache.select(rows, sources)
