"""The time-delay network."""

from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.models.activations import Activation, activation_module
from nntrain.models.frames import Frames, mean_over_time, refuse_looking_ahead, refuse_reaching_far, without_padding
from nntrain.models.starting_weights import started
from nntrain.registry import model
from nntrain.settings import Count, Probability, Whole
from nntrain.specs import Headed, Series, Tokens


@model("tdnn")
class TimeDelayNetwork(nn.Module):
    """A time-delay network, layers of units that see some steps of the layer below, wherever these are in time.

    h_t^l = f(sum_{i=-p}^{q} W_i^l h_{t + i d_l}^{l-1} + b^l), h_t^0 = x_t, h_t = 0 before and after the sequence

    p = look_back, q = look_ahead, d_l = dilations[l]: a convolution over time, whose upper layers see far with
    few weights, which start as the activation's paper derives. Takes series (batch, time, features) and tokens
    (batch, time); classes and values are read off the mean of h_t^L over time, tags and next tokens off every h_t^L.
    Good for speech, and wherever it does not matter when something happens.
    Source: Waibel et al., Phoneme recognition using time-delay neural networks, 1989; dilation: Peddinti, Povey,
    Khudanpur, A time delay neural network architecture for efficient modeling of long temporal contexts, 2015.

    Settings:
        hidden: the number of units of each layer
        dilations: for each layer, from the inputs up, how many steps apart the steps are that a unit sees
        look_back: p, how many of these steps are in the past
        look_ahead: q, how many are in the future; 0 where the targets are the next tokens
        activation: f
        dropout: the share of every layer's units that is set to zero in training, drawn anew at every step in time
        spatial_dropout: the share that is set to zero at all steps of a sequence (Tompson et al. 2015,
            arXiv:1411.4280)
        embedding: the size of the vector that stands for a token; left out, `hidden`; only for tokens
    """

    def __init__(
        self,
        inputs: Series | Tokens,
        targets: Headed,
        *,
        hidden: Count = 128,
        dilations: list[Count] = [1, 2, 3],  # noqa: B006
        look_back: Whole = 1,
        look_ahead: Whole = 1,
        activation: Activation = "relu",
        dropout: Probability = 0.0,
        spatial_dropout: Probability = 0.0,
        embedding: Count | None = None,
    ) -> None:
        super().__init__()
        if look_ahead:
            refuse_looking_ahead(inputs, targets, "look_ahead", "0")
        for dilation in dilations:
            refuse_reaching_far(inputs, look_back * dilation, "look_back")
            refuse_reaching_far(inputs, look_ahead * dilation, "look_ahead")
        self.frames = Frames(inputs, targets, embedding, hidden)
        sizes = [self.frames.features, *[hidden] * len(dilations)]
        self.layers = nn.ModuleList(
            _Delays(below, units, look_back, look_ahead, dilation, activation)
            for (below, units), dilation in zip(pairwise(sizes), dilations, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.spatial_dropout = spatial_dropout
        self.features = sizes[-1]
        self.per_position = targets.per_position

    def forward(self, x: Any) -> Tensor:
        frames = self.frames(x)
        mask = frames.mask()
        h = frames.values.transpose(1, 2)
        for layer in self.layers:
            h = self.dropout(layer(without_padding(h, mask)))
            h = F.dropout1d(h, self.spatial_dropout, self.training)
        return h.transpose(1, 2) if self.per_position else mean_over_time(h, mask)


class _Delays(nn.Module):
    """A layer: (batch, features, time) -> (batch, units, time)."""

    def __init__(self, features: int, units: int, back: int, ahead: int, dilation: int, activation: Activation) -> None:
        super().__init__()
        self.reach = (back * dilation, ahead * dilation)
        self.weights = started(nn.Conv1d(features, units, back + 1 + ahead, dilation=dilation), activation)
        self.activation = activation_module(activation)

    def forward(self, h: Tensor) -> Tensor:
        return self.activation(self.weights(F.pad(h, self.reach)))
