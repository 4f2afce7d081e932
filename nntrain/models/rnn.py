"""The recurrent network."""

from functools import partial
from typing import Literal

from torch import nn

from nntrain.models.recurrent import Recurrent
from nntrain.models.variational import VariationalDropout
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Headed, Series, Tokens, Vector


@model("rnn")
def rnn(
    inputs: Series | Tokens | Vector,
    targets: Headed,
    *,
    hidden: Count = 128,
    layers: Count = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    variational: VariationalDropout | None = None,
    embedding: Count | None = None,
    activation: Literal["tanh", "relu"] = "tanh",
) -> Recurrent:
    """A recurrent network, whose state at each step depends on the input and the state before.

    h_t = f(W_hh h_{t-1} + W_xh x_t + b), h_0 = 0

    Takes series (batch, time, features) and tokens (batch, time); classes and values are read off the last state,
    tags and next tokens off every state; a vector is given at every step, to make a sequence from it. Forgets
    within some ten steps: the baseline for networks with gates.
    Source: Elman, Finding structure in time, 1990; both directions: Schuster, Paliwal, Bidirectional recurrent
    neural networks, 1997; variational dropout: Gal, Ghahramani 2016, arXiv:1512.05287.

    Settings:
        hidden: the number of units of each layer, in each direction
        layers: the number of layers; each sees the states of the one below
        bidirectional: whether every layer also reads backwards, its states beside the others
        dropout: the share of every layer's states that is set to zero in training, drawn anew at every step in time
        variational: dropout that is the same at all steps of a sequence, of every layer's inputs, of the states that
            a step hands to the next, of the last layer's outputs; left out, there is none
        embedding: the size of the vector that stands for a token; left out, `hidden`; only for tokens
        activation: f
    """
    return Recurrent(
        inputs,
        targets,
        partial(nn.RNN, batch_first=True, nonlinearity=activation),
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        variational=variational,
        embedding=embedding,
    )
