"""The layers of a transformer, one upon the other."""

import math
from collections.abc import Sequence
from itertools import repeat
from typing import Literal

from torch import Tensor, nn

from nntrain.blocks.stochastic_depth import drops
from nntrain.forms import Architecture
from nntrain.forms.attention import Cache, CrossAttention, Memory, Scope, SelfAttention
from nntrain.models.activations import activation_module

Norm = Literal["before", "after"]
DEVIATION = 0.02


class Stack(nn.Module):
    """Layers upon embedded inputs (batch, time, width).

    One more normalisation keeps what goes in or comes out at one scale: of the last layer's features where each
    part of a layer has its norm before it (GPT-2), of the embedded inputs where it has it after it (BERT).

    Weights start as in GPT-2: normal with deviation 0.02, biases 0; with the norm before, what is added to x is
    smaller by the root of the number of parts, so that x starts at one scale however many layers there are.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        norm: Norm,
        scale: bool,
        stochastic_depth: float,
        has_memory: bool = False,
    ) -> None:
        super().__init__()
        self.norm_first = norm == "before"
        self.dropout = nn.Dropout(architecture.dropout)
        self.norm = architecture.norm()
        self.layers = nn.ModuleList(
            Layer(architecture, norm=norm, scale=scale, drop=drop, has_memory=has_memory)
            for drop in drops(stochastic_depth, architecture.layers)
        )
        parts = (3 if has_memory else 2) * architecture.layers
        start_small(self, residuals=parts if self.norm_first else 1)

    def forward(
        self, x: Tensor, scope: Scope, caches: Sequence[Cache] | None = None, memory: Memory | None = None
    ) -> Tensor:
        x = self.dropout(x if self.norm_first else self.norm(x))
        for layer, cache in zip(self.layers, caches or repeat(None)):  # noqa: B905
            x = layer(x, scope, cache, memory)
        return self.norm(x) if self.norm_first else x


class Layer(nn.Module):
    """Attention and a feedforward network, each added to what it was given.

    norm before: x = x + part(norm(x)); after: x = norm(x + part(x)). With a memory, attention to it is between
    the two. Dropout acts on the weights of attention and on what each part gives, which `drop` may leave out.
    """

    def __init__(
        self, architecture: Architecture, *, norm: Norm, scale: bool, drop: nn.Module | None, has_memory: bool = False
    ) -> None:
        super().__init__()
        width, heads, dropout = architecture.width, architecture.heads, architecture.dropout
        self.norm_first = norm == "before"
        self.attention = SelfAttention(width, heads, dropout=dropout, scale=scale)
        self.attention_norm = architecture.norm()
        if has_memory:
            self.cross_attention = CrossAttention(width, heads, dropout=dropout, scale=scale)
            self.cross_attention_norm = architecture.norm()
        self.feedforward = feedforward(architecture)
        self.feedforward_norm = architecture.norm()
        self.dropout = nn.Dropout(dropout) if drop is None else nn.Sequential(nn.Dropout(dropout), drop)

    def forward(self, x: Tensor, scope: Scope, cache: Cache | None = None, memory: Memory | None = None) -> Tensor:
        x = self._added(x, self.attention_norm, self.attention, scope, cache)
        if memory is not None:
            x = self._added(x, self.cross_attention_norm, self.cross_attention, memory, cache)
        return self._added(x, self.feedforward_norm, self.feedforward)

    def _added(self, x: Tensor, norm: nn.Module, part: nn.Module, *more: object) -> Tensor:
        if self.norm_first:
            return x + self.dropout(part(norm(x), *more))
        return norm(x + self.dropout(part(x, *more)))


def feedforward(architecture: Architecture) -> nn.Sequential:
    """W_down f(W_up x + b_up) + b_down, at every position by itself."""
    network = nn.Sequential()
    network.add_module("up", nn.Linear(architecture.width, architecture.feedforward))
    network.add_module("activation", activation_module(architecture.activation))
    network.add_module("down", nn.Linear(architecture.feedforward, architecture.width))
    return network


def start_small(part: nn.Module, residuals: int = 1) -> None:
    """Weights normal with deviation 0.02, divided by sqrt(residuals) where they are the last of a residual part."""
    for name, module in part.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            is_last = name.endswith((".out", ".down"))
            nn.init.normal_(module.weight, std=DEVIATION / math.sqrt(residuals) if is_last else DEVIATION)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
