"""The network of gated recurrent units."""

from functools import partial

from torch import nn

from nntrain.models.recurrent import Recurrent
from nntrain.models.variational import VariationalDropout
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Headed, Series, Tokens, Vector


@model("gru")
def gru(
    inputs: Series | Tokens | Vector,
    targets: Headed,
    *,
    hidden: Count = 128,
    layers: Count = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    variational: VariationalDropout | None = None,
    embedding: Count | None = None,
) -> Recurrent:
    """Gated recurrent units, which mix their old state and a new one: fewer parameters than an LSTM.

    r_t = sigma(W_xr x_t + W_hr h_{t-1} + b_r);  z_t = sigma(W_xz x_t + W_hz h_{t-1} + b_z)
    n_t = tanh(W_xn x_t + b_xn + r_t (W_hn h_{t-1} + b_hn));  h_t = (1 - z_t) n_t + z_t h_{t-1}, h_0 = 0

    Takes series (batch, time, features) and tokens (batch, time); classes and values are read off the last state,
    tags and next tokens off every state; a vector is given at every step, to make a sequence from it. Good where
    an LSTM is, with three quarters of its parameters.
    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014, arXiv:1406.1078; the
    reset gate behind the matrix as in its first version and in torch; variational dropout: Gal, Ghahramani 2016,
    arXiv:1512.05287.

    Settings:
        hidden: the number of units of each layer, in each direction
        layers: the number of layers; each sees the states of the one below
        bidirectional: whether every layer also reads backwards, its states beside the others
        dropout: the share of every layer's states that is set to zero in training, drawn anew at every step in time
        variational: dropout that is the same at all steps of a sequence, of every layer's inputs, of the states that
            a step hands to the next, of the last layer's outputs; left out, there is none
        embedding: the size of the vector that stands for a token; left out, `hidden`; only for tokens
    """
    return Recurrent(
        inputs,
        targets,
        partial(nn.GRU, batch_first=True),
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        variational=variational,
        embedding=embedding,
    )
