"""Recurrent encoder and decoder with attention."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from nntrain.attentions import States
from nntrain.batch import Pair, Sequences, each
from nntrain.errors import UnfitError
from nntrain.forms.attention import Memory
from nntrain.models.recurrent import Recurrent
from nntrain.registry import model
from nntrain.settings import Attention, Count, Probability
from nntrain.specs import Pairs, Tags, Tokens

LAYERS: Mapping[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@model("rnn_encoder_decoder")
class RecurrentEncoderDecoder(nn.Module):
    """Recurrent layers read a source in both directions; others write the target and look at the source: translation.

    m_1 ... m_S = encoder(x_1 ... x_S);  h_0 = tanh(W [m_S forwards; m_1 backwards] + b), for each layer
    features_t = attention(y_{t-1}, h_{t-1}, m)

    Takes pairs of sequences of tokens; next tokens of the target. `layers` are in the encoder, and as many in the
    decoder. Padding of the source is not seen; that of the target stands at its end.
    Source: Sutskever, Vinyals, Le, Sequence to sequence learning with neural networks, 2014, arXiv:1409.3215; with
    attention: Bahdanau, Cho, Bengio, 2015, arXiv:1409.0473.

    Settings:
        cell: what the layers are made of
        attention: how the decoder looks at the source
        hidden: the number of units of each layer of the decoder; in the encoder half of them read backwards
        layers: how many stand one upon the other
        embedding: the size of the vector that stands for a token; left out, `hidden`
        dropout: the share of embedded targets, of the states of the encoder's layers and of the features that is set
            to zero in training
    """

    def __init__(
        self,
        inputs: Pairs,
        targets: Tokens,
        *,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
        attention: Attention = "luong",
        hidden: Count = 128,
        layers: Count = 1,
        embedding: Count | None = None,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if hidden % 2:
            raise UnfitError(
                f"{hidden} units cannot be shared out between two directions; take an even number", "hidden"
            )
        size = embedding or hidden
        layer: Callable[..., nn.RNNBase] = partial(LAYERS[cell], batch_first=True)
        self.features = hidden
        self.context = inputs.target_length
        self.encoder = Recurrent(
            Tokens(inputs.source, inputs.source_length),
            Tags((), inputs.source_length),  # for features at every position
            layer,
            hidden=hidden // 2,
            layers=layers,
            bidirectional=True,
            dropout=dropout,
            variational=None,
            embedding=size,
        )
        self.states = 2 if cell == "lstm" else 1
        self.start = nn.Linear(hidden, self.states * layers * hidden)
        self.embedding = nn.Embedding(len(inputs.target), size)
        self.decoder = attention(lambda features: layer(features, hidden, num_layers=layers), size, hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Pair) -> Tensor:
        return self.follow(x.target.values, self.begun(x.source))

    def begun(self, source: Sequences) -> "Progress":
        values = self.encoder(source)
        start = torch.tanh(self.start(self.encoder.ends(values, source.lengths)))
        states = start.view(len(start), self.states, -1, self.features).permute(1, 2, 0, 3).contiguous()
        return Progress(Memory(values, source.mask()), tuple(states))

    def follow(self, tokens: Tensor, state: "Progress") -> Tensor:
        """The features (batch, time, hidden) after each of some more tokens (batch, time); the state takes them in."""
        features, state.states = self.decoder(self.dropout(self.embedding(tokens)), state.states, state.memory)
        return self.dropout(features)


class Progress:
    """What is known of sources, and of their targets so far."""

    def __init__(self, memory: Memory, states: States) -> None:
        self.memory = memory
        self.states = states

    def select(self, rows: Tensor, sources: bool) -> None:
        if sources:
            self.memory = each(lambda part: part[rows], self.memory)
        self.states = tuple(part[:, rows] for part in self.states)
