"""The feedforward sequential memory network."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.models.activations import Activation, activation_module
from nntrain.models.frames import Frames, mean_over_time, refuse_looking_ahead, refuse_reaching_far, without_padding
from nntrain.models.starting_weights import started
from nntrain.registry import model
from nntrain.settings import Count, Probability, Whole
from nntrain.specs import Headed, Series, Tokens


@model("fsmn")
class SequentialMemoryNetwork(nn.Module):
    """A feedforward sequential memory network, hidden layers whose past and future stand beside them, weighted.

    h_t^1 = f(W^0 x_t + b^0);  m_t^l = sum_{i=0}^{N1} a_i^l h_{t-i}^l + sum_{j=1}^{N2} c_j^l h_{t+j}^l
    h_t^{l+1} = f(W^l h_t^l + V^l m_t^l + b^l), a and c vectors that weigh each unit, h_t = 0 outside the sequence

    N1 = look_back, N2 = look_ahead, l from 1 to `layers`. Takes series (batch, time, features) and tokens (batch,
    time); classes and values are read off the mean of the last h_t over time, tags and next tokens off every h_t.
    The weights start as the activation's paper derives, the taps with variance 1 / (N1 + N2 + 1).
    Remembers as far as its taps reach, without the recurrence that makes an LSTM slow.
    Source: Zhang et al., Feedforward sequential memory networks: a new structure to learn long-term dependency,
    2015, arXiv:1512.08301.

    Settings:
        hidden: the number of units of each hidden layer
        layers: the number of hidden layers with a memory, below the last without
        look_back: N1, how many steps back a memory reaches
        look_ahead: N2, how many steps ahead; 0 where the targets are the next tokens
        activation: f
        dropout: the share of every hidden layer's units that is set to zero in training
        embedding: the size of the vector that stands for a token; left out, `hidden`; only for tokens
    """

    def __init__(
        self,
        inputs: Series | Tokens,
        targets: Headed,
        *,
        hidden: Count = 128,
        layers: Count = 2,
        look_back: Whole = 10,
        look_ahead: Whole = 10,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        embedding: Count | None = None,
    ) -> None:
        super().__init__()
        if look_ahead:
            refuse_looking_ahead(inputs, targets, "look_ahead", "0")
        refuse_reaching_far(inputs, look_back, "look_back")
        refuse_reaching_far(inputs, look_ahead, "look_ahead")
        self.frames = Frames(inputs, targets, embedding, hidden)
        self.input = started(nn.Linear(self.frames.features, hidden), activation)
        self.memories = nn.ModuleList(_Memory(hidden, look_back, look_ahead) for _ in range(layers))
        self.layers = nn.ModuleList(started(nn.Linear(2 * hidden, hidden), activation) for _ in range(layers))
        self.activation = activation_module(activation)
        self.dropout = nn.Dropout(dropout)
        self.features = hidden
        self.per_position = targets.per_position

    def forward(self, x: Any) -> Tensor:
        frames = self.frames(x)
        mask = frames.mask()
        h = self.dropout(self.activation(self.input(frames.values)))
        for memory, layer in zip(self.memories, self.layers, strict=True):
            remembered = memory(without_padding(h.transpose(1, 2), mask)).transpose(1, 2)
            h = self.dropout(self.activation(layer(torch.cat((h, remembered), dim=2))))
        return h if self.per_position else mean_over_time(h.transpose(1, 2), mask)


class _Memory(nn.Module):
    """h (batch, units, time) -> m (batch, units, time): a convolution of each unit with its own taps.

    The taps are a_N1, ..., a_0, c_1, ..., c_N2, in the order of the steps that they weigh.
    """

    def __init__(self, units: int, back: int, ahead: int) -> None:
        super().__init__()
        self.reach = (back, ahead)
        self.taps = started(nn.Conv1d(units, units, back + 1 + ahead, groups=units, bias=False))

    def forward(self, h: Tensor) -> Tensor:
        return self.taps(F.pad(h, self.reach))
