"""Recurrent decoders: a sequence made from one vector or image."""

from typing import Literal

import torch
from torch import Tensor, nn

from nntrain.batch import Pair
from nntrain.errors import UnfitError
from nntrain.network import network_for
from nntrain.registry import model
from nntrain.settings import Count, Model, Probability
from nntrain.specs import Embedding, OneToMany, Tokens


class State:
    """What is known of sources m (rows, hidden), and what the layers have kept of the tokens so far."""

    def __init__(self, memory: Tensor, layers: tuple[Tensor, ...]) -> None:
        self.memory = memory
        self.layers = layers  # each (layers, rows, hidden)


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
        return self.follow(x.target.values, self.begun(x.source))

    def begun(self, source: Tensor) -> State:
        """What is known before the first token."""
        memory = self.encoder(source)
        h = torch.tanh(self.start(memory)).view(len(memory), -1, self.features).transpose(0, 1).contiguous()
        return State(memory, (h, torch.zeros_like(h)) if isinstance(self.layers, nn.LSTM) else (h,))

    def follow(self, tokens: Tensor, state: State) -> Tensor:
        """The features (batch, time, hidden) after each of some more tokens (batch, time); the state takes them in."""
        vectors = self.dropout(self.embedding(tokens))
        beside = state.memory.unsqueeze(1).expand(-1, vectors.shape[1], -1)
        before = state.layers if isinstance(self.layers, nn.LSTM) else state.layers[0]
        h, after = self.layers(torch.cat((vectors, beside), dim=2), before)
        state.layers = after if isinstance(after, tuple) else (after,)
        return self.dropout(h)
