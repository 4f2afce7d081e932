"""Recurrent decoders: a sequence made from one vector or image."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from nntrain.batch import Pair, Sequences
from nntrain.errors import UnfitError
from nntrain.network import network_for
from nntrain.registry import model
from nntrain.settings import Count, Model, Probability
from nntrain.specs import Embedding, OneToMany, Tokens


class State:
    """What the layers have kept of the tokens before; None before the first."""

    def __init__(self) -> None:
        self.value: Any = None


@model("rnn_decoder")
class RecurrentDecoder(nn.Module):
    """A recurrent network that writes a sequence, token by token, on what an encoder says of a vector or an image.

    m = encoder(x);  h_0 = tanh(W_0 m + b_0);  h_t = RNN((E y_{t-1}, m), h_{t-1});  p(y_t) = softmax(W h_t + b)

    Takes pairs of one vector or image and a sequence (one to many); next tokens. E y is a trained vector for the
    token y, and m stands beside it at every step, so that it is not forgotten. The layers above the first start as it
    does, each by a matrix of its own.
    Good for captions, and whatever is said, drawn or played from one description.
    Source: Vinyals, Toshev, Bengio, Erhan, Show and tell: a neural image caption generator, 2015, arXiv:1411.4555;
    Cho et al. 2014, arXiv:1406.1078, whose decoder sees m at every step.

    Settings:
        encoder: a model that makes m, such as cnn of images; linear is W x + b
        cell: which recurrent network it is
        hidden: the number of units of each layer, and of numbers in m
        layers: the number of layers; each sees the states of the one below
        embedding: the size of the vector that stands for a token; left out, `hidden`
        dropout: the share of every layer's states, and of the tokens' vectors, that is set to zero in training
    """

    def __init__(
        self,
        inputs: OneToMany,
        targets: Tokens,
        *,
        encoder: Model = "linear",
        cell: Literal["gru", "lstm"] = "lstm",
        hidden: Count = 128,
        layers: Count = 1,
        embedding: Count | None = None,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if encoder.takes("outputs"):
            raise UnfitError(f"{encoder.name} makes no features; take linear, mlp or cnn", "encoder")
        self.features = hidden
        self.context = inputs.target_length
        self.encoder = network_for(encoder, inputs.source, Embedding(hidden))
        self.embedding = nn.Embedding(len(inputs.vocabulary), embedding or hidden)
        self.start = nn.Linear(hidden, layers * hidden)
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        between = dropout if layers > 1 else 0.0
        size = self.embedding.embedding_dim + hidden
        self.layers = kind(size, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Pair) -> Tensor:
        return self.decode(x.target, self.encode(x.source))

    def encode(self, source: Tensor) -> Tensor:
        """m (batch, hidden), what is to be known of each source."""
        return self.encoder(source)

    def decode(self, target: Sequences, memory: Tensor, states: list[State] | None = None) -> Tensor:
        """The features (batch, time, hidden) at every position of a target, from which the next token is read.

        With states, which `new_caches` makes, `target` is what follows the tokens that they have seen.
        """
        tokens = self.dropout(self.embedding(target.values))
        beside = memory.unsqueeze(1).expand(-1, tokens.shape[1], -1)
        before = self._first(memory) if states is None or states[0].value is None else states[0].value
        h, after = self.layers(torch.cat((tokens, beside), dim=2), before)
        if states is not None:
            states[0].value = after
        return self.dropout(h)

    def new_caches(self) -> list[State]:
        return [State()]

    def _first(self, memory: Tensor) -> Any:
        """The states before the first step (layers, batch, hidden); cells of an LSTM are 0 then."""
        h = torch.tanh(self.start(memory)).unflatten(1, (-1, self.features)).transpose(0, 1).contiguous()
        return (h, torch.zeros_like(h)) if isinstance(self.layers, nn.LSTM) else h
