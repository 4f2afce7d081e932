"""Recurrent layers one above the other, in one direction or both, and how their outputs are read."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.models.frames import Frames, refuse_looking_ahead
from nntrain.models.variational import VariationalDropout, dropped, states_of
from nntrain.specs import Headed, Series, Tokens, Vector

# (features, hidden) -> (batch, time, features) -> (batch, time, hidden), ...; those that are not torch's take a mask
# of their states besides, (batch, hidden).
Layer = Callable[[int, int], nn.Module]


class Recurrent(nn.Module):
    """Recurrent layers over sequences; every layer sees the outputs of the one below at all steps.

    Many to one: the last state, of both directions at their own ends. Many to many and one to many, where the
    targets have a label at every position: all states (batch, time, features). A backward layer reads each
    sequence from its true end, so that padding changes nothing.
    """

    def __init__(
        self,
        inputs: Series | Tokens | Vector,
        targets: Headed,
        layer: Layer,
        *,
        hidden: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        variational: VariationalDropout | None,
        embedding: int | None,
    ) -> None:
        super().__init__()
        if variational == VariationalDropout():
            raise UnfitError("sets nothing to zero; give inputs, states or outputs a share", "variational")
        if bidirectional:
            refuse_looking_ahead(inputs, targets, "bidirectional", "false")
        self.hidden = hidden
        self.features = 2 * hidden if bidirectional else hidden
        self.frames = Frames(inputs, targets, embedding, hidden)
        sizes = [self.frames.features, *[self.features] * (layers - 1)]
        self.variational = variational or VariationalDropout()
        self.layers = nn.ModuleList(
            _Directions(layer, size, hidden, bidirectional, self.variational.states) for size in sizes
        )
        self.dropout = nn.Dropout(dropout)
        self.per_position = targets.per_position

    def forward(self, x: Any) -> Tensor:
        values, lengths = self.frames(x)
        reversal = None if lengths is None else _reversal(lengths, values.shape[1])
        for layer in self.layers:
            values = self.dropout(layer(dropped(values, self.variational.inputs, self.training), reversal))
        values = dropped(values, self.variational.outputs, self.training)
        return values if self.per_position else self.ends(values, lengths)

    def ends(self, values: Tensor, lengths: Tensor | None) -> Tensor:
        """The forward layer's state at each sequence's last step, the backward layer's at the first."""
        last = _at_the_end(values[..., : self.hidden], lengths)
        if self.features == self.hidden:
            return last
        return torch.cat((last, values[:, 0, self.hidden :]), dim=1)


def _at_the_end(states: Tensor, lengths: Tensor | None) -> Tensor:
    """The state at each sequence's last step (batch, hidden)."""
    if lengths is None:
        return states[:, -1]
    return states.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, states.shape[2])).squeeze(1)


class _Directions(nn.Module):
    """A layer that reads forwards, and where it is bidirectional one beside it that reads backwards."""

    def __init__(self, layer: Layer, features: int, hidden: int, bidirectional: bool, dropped_states: float) -> None:
        super().__init__()
        self.dropped_states = dropped_states
        self.forwards = layer(features, hidden)
        self.backwards = layer(features, hidden) if bidirectional else None

    def forward(self, values: Tensor, reversal: Tensor | None) -> Tensor:
        states = states_of(self.forwards, values, self.dropped_states)
        if self.backwards is None:
            return states
        reverse_states = states_of(self.backwards, _reversed(values, reversal), self.dropped_states)
        return torch.cat((states, _reversed(reverse_states, reversal)), dim=2)


def _reversal(lengths: Tensor, steps: int) -> Tensor:
    """Which step comes where when every sequence is reversed and its padding stays behind it (batch, time)."""
    forwards = torch.arange(steps, device=lengths.device).expand(len(lengths), -1)
    backwards = lengths.unsqueeze(1) - 1 - forwards
    return torch.where(backwards < 0, forwards, backwards)


def _reversed(values: Tensor, reversal: Tensor | None) -> Tensor:
    if reversal is None:
        return values.flip(1)
    return values.gather(1, reversal.unsqueeze(-1).expand_as(values))
