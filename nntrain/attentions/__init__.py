"""Attentions of recurrent decoders: how a target that is being written looks at its source."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from nntrain.forms.attention import Memory

States = tuple[Tensor, ...]  # of recurrent layers, each (layers, batch, hidden): h, and of an LSTM C besides
Recurrence = Callable[[int], nn.RNNBase]  # the decoder's layers for so many features of a step


class Attention(Protocol):
    """Made for recurrent layers, and the numbers of features of an embedded token, of a state and of the memory."""

    def __call__(self, x: Tensor, states: States, memory: Memory) -> tuple[Tensor, States]:
        """Features (batch, time, hidden) at every step of embedded tokens (batch, time, ...), and the states after."""


def advanced(layers: nn.RNNBase, x: Tensor, states: States) -> tuple[Tensor, States]:
    """The upper layer's states at every step (batch, time, hidden), and all layers' after the last."""
    outputs, after = layers(x, states if len(states) == 2 else states[0])
    return outputs, after if len(states) == 2 else (after,)


def looked_at(scores: Tensor, memory: Memory) -> Tensor:
    """The means of the memory (batch, queries, features) weighted by softmax(scores), (batch, queries, time)."""
    if memory.mask is not None:
        scores = scores.masked_fill(~memory.mask.unsqueeze(1), -torch.inf)
    return scores.softmax(dim=-1) @ memory.features
