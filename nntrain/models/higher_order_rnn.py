"""The recurrent network of higher order."""

from functools import partial

import torch
from torch import Tensor, nn

from nntrain.models.frames import refuse_reaching_far
from nntrain.models.recurrent import Recurrent
from nntrain.models.variational import VariationalDropout
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Headed, Series, Tokens, Vector


@model("higher_order_rnn")
def higher_order_rnn(
    inputs: Series | Tokens | Vector,
    targets: Headed,
    *,
    order: Count = 3,
    hidden: Count = 128,
    layers: Count = 1,
    bidirectional: bool = False,
    dropout: Probability = 0.0,
    variational: VariationalDropout | None = None,
    embedding: Count | None = None,
) -> Recurrent:
    """A recurrent network whose state depends on several states before, so that gradients have shorter ways.

    h_t = tanh(sum_{j=1}^k W_j h_{t-j} + W_xh x_t + b), h_t = 0 for t <= 0

    Takes series (batch, time, features) and tokens (batch, time); classes and values are read off the last state,
    tags and next tokens off every state; a vector is given at every step, to make a sequence from it. Good for
    remembering a little longer than a plain network does, without gates.
    Source: Soltani, Jiang, Higher order recurrent neural networks, 2016, arXiv:1605.00064; variational dropout: Gal,
    Ghahramani 2016, arXiv:1512.05287.

    Settings:
        order: k, how many states back a state looks; 1 is an ordinary recurrent network
        hidden: the number of units of each layer, in each direction
        layers: the number of layers; each sees the states of the one below
        bidirectional: whether every layer also reads backwards, its states beside the others
        dropout: the share of every layer's states that is set to zero in training, drawn anew at every step in time
        variational: dropout that is the same at all steps of a sequence, of every layer's inputs, of the states that
            a step hands to the next, of the last layer's outputs; left out, there is none
        embedding: the size of the vector that stands for a token; left out, `hidden`; only for tokens
    """
    refuse_reaching_far(inputs, order, "order")
    return Recurrent(
        inputs,
        targets,
        partial(HigherOrderRNN, order=order),
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        dropout=dropout,
        variational=variational,
        embedding=embedding,
    )


class HigherOrderRNN(nn.Module):
    """A layer of higher order: x (batch, time, features) -> (h (batch, time, hidden), h of the last step).

    A mask (batch, hidden) is what each h_{t-j} is multiplied with before W_j.
    The columns of `weight_hh` are those of W_1, ..., W_k.
    """

    def __init__(self, features: int, hidden: int, order: int) -> None:
        super().__init__()
        self.hidden_size = hidden
        bound = (order * hidden) ** -0.5  # as in torch.nn.RNN, whose order is 1
        self.weight_xh = nn.Parameter(torch.empty(hidden, features).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(hidden, order * hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        projected = nn.functional.linear(x, self.weight_xh, self.bias)
        hidden, order = len(self.bias), self.weight_hh.shape[1] // len(self.bias)
        states = [projected.new_zeros(len(x), hidden)] * order  # those before the first step
        for z in projected.unbind(dim=1):
            earlier = states[: -order - 1 : -1]  # h_{t-1}, ..., h_{t-k}
            seen = torch.cat(earlier if mask is None else [mask * h for h in earlier], dim=1)
            states.append(torch.tanh(torch.addmm(z, seen, self.weight_hh.T)))
        return torch.stack(states[order:], dim=1), states[-1]
