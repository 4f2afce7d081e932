"""A convolutional network over words."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.models.activations import Activation, activation_module
from nntrain.models.frames import Frames, refuse_reaching_far
from nntrain.registry import model
from nntrain.settings import Count, Probability
from nntrain.specs import Classes, Series, Tokens, Values


@model("text_cnn")
class TextNetwork(nn.Module):
    """Windows of several widths over the words of a text; of every map the largest value counts, wherever it is.

    h_t^k = f(W^k [x_{t - floor(k/2)} ... x_{t + ceil(k/2) - 1}] + b^k);  c^k = max_t h_t^k;  features = [c^k for all k]

    Takes tokens (batch, time) and series (batch, time, features). What stands before and after a text counts as
    zeros, so that texts shorter than a window have features as well; padding is left out of the maximum. Good where
    a few words in a row tell the class, and fast.
    Source: Kim, Convolutional neural networks for sentence classification, 2014, arXiv:1408.5882 (CNN-rand; there
    windows lie within the text).

    Settings:
        windows: k, how many words each kind of window sees
        channels: the number of maps of each kind
        activation: f
        dropout: the share of the features that is set to zero in training
        embedding: the size of the vector that stands for a token; left out, `channels`; only for tokens
    """

    def __init__(
        self,
        inputs: Tokens | Series,
        targets: Classes | Values,
        *,
        windows: list[Count] = [3, 4, 5],  # noqa: B006
        channels: Count = 100,
        activation: Activation = "relu",
        dropout: Probability = 0.5,
        embedding: Count | None = None,
    ) -> None:
        super().__init__()
        for window in windows:
            refuse_reaching_far(inputs, window, "windows")
        self.frames = Frames(inputs, targets, embedding, channels)
        self.maps = nn.ModuleList(nn.Conv1d(self.frames.features, channels, window) for window in windows)
        self.margins = [(window // 2, (window - 1) // 2) for window in windows]
        self.activation = activation_module(activation)
        self.dropout = nn.Dropout(dropout)
        self.features = channels * len(windows)

    def forward(self, x: Any) -> Tensor:
        frames = self.frames(x)
        mask, values = frames.mask(), frames.values.transpose(1, 2)
        responses = (maps(F.pad(values, margin)) for maps, margin in zip(self.maps, self.margins, strict=True))
        return self.dropout(torch.cat([_largest(self.activation(found), mask) for found in responses], dim=1))


def _largest(values: Tensor, mask: Tensor | None) -> Tensor:
    """The largest of values (batch, channels, time) that are no padding."""
    return (values if mask is None else values.masked_fill(~mask.unsqueeze(1), -math.inf)).amax(dim=2)
