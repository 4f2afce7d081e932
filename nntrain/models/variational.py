"""Dropout for recurrent networks: one mask for all steps of a sequence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.settings import Probability, section


@section
@dataclass(frozen=True, kw_only=True)
class VariationalDropout:
    """Dropout whose mask is drawn once for a sequence and holds at all of its steps.

    Source: Gal, Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, 2016,
    arXiv:1512.05287.

    Settings:
        inputs: the share of the numbers coming into each layer that is set to zero in training
        states: the share of the state with which a step multiplies its weights; a cell, and what a gate keeps of the
            state, stay whole
        outputs: the share of the last layer's states, as they are read off
    """

    inputs: Probability = 0.0
    states: Probability = 0.0
    outputs: Probability = 0.0


def dropped(values: Tensor, share: float, training: bool) -> Tensor:
    """Values (batch, time, features) with a share of each sequence's features zero at all steps, in training."""
    return F.dropout1d(values.transpose(1, 2), share, training).transpose(1, 2) if share else values


def states_of(layer: Any, x: Tensor, share: float) -> Tensor:
    """The states (batch, time, hidden) of a recurrent layer that, in training, sees a share of its state as zero."""
    if share == 0 or not layer.training:
        states: Tensor = layer(x)[0]
        return states
    mask = F.dropout(x.new_ones(len(x), layer.hidden_size), share)
    return _unrolled(layer, x, mask) if isinstance(layer, nn.RNNBase) else layer(x, mask)[0]


def _unrolled(layer: Any, x: Tensor, mask: Tensor) -> Tensor:
    """The states of a layer of torch's, whose own kernels know no mask, step by step."""
    step = _STEPS[layer.mode]
    h = c = x.new_zeros(len(x), layer.hidden_size)
    states = []
    for z in F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0).unbind(dim=1):
        h, c = step(z, F.linear(mask * h, layer.weight_hh_l0, layer.bias_hh_l0), h, c)
        states.append(h)
    return torch.stack(states, dim=1)


def _lstm(z: Tensor, r: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    i, f, candidate, o = (z + r).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate)
    return torch.sigmoid(o) * torch.tanh(c), c


def _gru(z: Tensor, r: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (zr, zz, zn), (rr, rz, rn) = z.chunk(3, dim=1), r.chunk(3, dim=1)
    new = torch.tanh(zn + torch.sigmoid(zr + rr) * rn)
    return new + torch.sigmoid(zz + rz) * (h - new), c


# By torch's names: (what comes of the input, of the state before, that state, the cell) -> (state, cell).
_STEPS: Mapping[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": lambda z, r, h, c: (torch.tanh(z + r), c),
    "RNN_RELU": lambda z, r, h, c: (F.relu(z + r), c),
}
