"""Long short-term memory."""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from nntrain.models.recurrent import Layer, Recurrent
from nntrain.models.variational import VariationalDropout
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Headed, Series, Tokens, Vector


@model("lstm")
def lstm(
    inputs: Series | Tokens | Vector,
    targets: Headed,
    *,
    hidden: Count = 128,
    layers: Count = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    variational: VariationalDropout | None = None,
    embedding: Count | None = None,
    cell: Literal["standard", "squashed"] = "standard",
) -> Recurrent:
    """Long short-term memory, whose cells keep what gates let in until gates let go of it.

    i_t = sigma(W_i x_t + U_i h_{t-1} + b_i), f_t and o_t likewise;  C~_t = tanh(W_C x_t + U_C h_{t-1} + b_C)
    C_t = f_t C_{t-1} + i_t C~_t;  h_t = o_t tanh(C_t), h_0 = C_0 = 0

    The squashed cell is a variant of some text books, C_t = sigma(f_t C_{t-1} + i_t C~_t): it forgets sooner.
    Good where something is to be remembered for a hundred steps or more.
    Takes series (batch, time, features) and tokens (batch, time); classes and values are read off the last state,
    tags and next tokens off every state; a vector is given at every step, to make a sequence from it.
    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997; forget gates: Gers, Schmidhuber, Cummins,
    Learning to forget, 2000; variational dropout: Gal, Ghahramani 2016, arXiv:1512.05287.

    Settings:
        hidden: the number of cells of each layer, in each direction
        layers: the number of layers; each sees the states of the one below
        bidirectional: whether every layer also reads backwards, its states beside the others
        dropout: the share of every layer's states that is set to zero in training, drawn anew at every step in time
        variational: dropout that is the same at all steps of a sequence, of every layer's inputs, of the states that
            a step hands to the next, of the last layer's outputs; left out, there is none
        embedding: the size of the vector that stands for a token; left out, `hidden`; only for tokens
        cell: standard, or squashed for the variant
    """
    kinds: dict[str, Layer] = {"standard": partial(nn.LSTM, batch_first=True), "squashed": SquashedLSTM}
    return Recurrent(
        inputs,
        targets,
        kinds[cell],
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        variational=variational,
        embedding=embedding,
    )


class SquashedLSTM(nn.Module):
    """A layer of squashed cells: x (batch, time, features) -> (h (batch, time, hidden), (h, C) of the last step).

    A mask (batch, hidden) is what h is multiplied with before the weights U.
    The rows of the weights are those of the gates i, f, C~ and o, as in torch.nn.LSTM.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.hidden_size = hidden
        bound = hidden**-0.5  # as in torch.nn.LSTM
        self.weight_xh = nn.Parameter(torch.empty(4 * hidden, features).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        projected = nn.functional.linear(x, self.weight_xh, self.bias)
        h = c = projected.new_zeros(len(x), self.weight_hh.shape[1])
        states = []
        for z in projected.unbind(dim=1):
            gates = torch.addmm(z, h if mask is None else mask * h, self.weight_hh.T)
            i, f, candidate, o = gates.chunk(4, dim=1)
            c = torch.sigmoid(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate))
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        return torch.stack(states, dim=1), (h, c)
