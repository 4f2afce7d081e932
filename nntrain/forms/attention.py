"""Multi-head attention, through torch's fused kernel."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.device import at_least_single
from nntrain.positions import Rotation


class Scope(NamedTuple):
    """Which positions see which, and how they are turned.

    mask: True where a key is seen, (batch, 1, 1, keys) or (queries, keys); None where all are
    is_causal: whether a position sees itself and those before it only
    """

    mask: Tensor | None = None
    is_causal: bool = False
    rotation: Rotation | None = None


class Memory(NamedTuple):
    """What a decoder looks at: features (batch, time, width), and where they are no padding (batch, time)."""

    features: Tensor
    mask: Tensor | None


class Cache:
    """The keys and values of the positions so far, (batch, heads, time, features): none are computed again.

    `of_memory` are those of what a decoder looks at besides.
    """

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.of_memory: tuple[Tensor, Tensor] | None = None

    @property
    def length(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the keys and values of further positions; returns all."""
        self.keys = keys if self.keys is None else torch.cat((self.keys, keys), dim=2)
        self.values = values if self.values is None else torch.cat((self.values, values), dim=2)
        return self.keys, self.values

    def select(self, rows: Tensor, memory: bool) -> None:
        """Keeps these rows of a batch, in this order; those of the memory too where it is not the same for them."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]
        if memory and self.of_memory is not None:
            keys, values = self.of_memory
            self.of_memory = keys[rows], values[rows]


class SelfAttention(nn.Module):
    """Every position's mean of the values of those that it sees, weighted by how well keys fit its query.

    head = softmax(Q K^T / sqrt(d)) V, with d features a head; Q, K, V = X W + b;  output = heads W_out + b_out
    """

    def __init__(self, width: int, heads: int, *, dropout: float, scale: bool) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.scale = scale
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, scope: Scope, cache: Cache | None = None) -> Tensor:
        queries, keys, values = (by_head(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        if scope.rotation is not None:
            queries, keys = scope.rotation.turn(queries), scope.rotation.turn(keys)
        if cache is not None:
            keys, values = cache.extend(keys, values)
        dropout = self.dropout if self.training else 0.0
        return self.out(attend(queries, keys, values, scope, scale=self.scale, dropout=dropout))


class CrossAttention(nn.Module):
    """As self-attention, but for keys and values, which are of another sequence."""

    def __init__(self, width: int, heads: int, *, dropout: float, scale: bool) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.scale = scale
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Memory, cache: Cache | None = None) -> Tensor:
        queries = by_head(self.query(x), self.heads)
        keys, values = (cache and cache.of_memory) or self._read(memory)
        if cache is not None:
            cache.of_memory = keys, values
        scope = Scope(over_keys(memory.mask))
        dropout = self.dropout if self.training else 0.0
        return self.out(attend(queries, keys, values, scope, scale=self.scale, dropout=dropout))

    def _read(self, memory: Memory) -> tuple[Tensor, Tensor]:
        keys, values = self.key_value(memory.features).chunk(2, dim=-1)
        return by_head(keys, self.heads), by_head(values, self.heads)


def attend(queries: Tensor, keys: Tensor, values: Tensor, scope: Scope, *, scale: bool, dropout: float) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V of each head (batch, heads, time, d), without sqrt(d) where not to scale.

    Returns the heads side by side (batch, time, heads * d). On CPUs in float32 at least: in bfloat16 torch's kernel
    takes as long forward, and for short sequences some times as long backward.
    """
    factor = None if scale else 1.0
    if queries.device.type == "cpu":
        queries, keys, values = (at_least_single(part) for part in (queries, keys, values))
    with torch.autocast("cpu", enabled=False):  # which on a GPU changes nothing
        heads = F.scaled_dot_product_attention(
            queries, keys, values, scope.mask, dropout, scope.is_causal, scale=factor
        )
    return heads.transpose(1, 2).flatten(2)


def by_head(x: Tensor, heads: int) -> Tensor:
    """Features (batch, time, width) as (batch, heads, time, width / heads)."""
    return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)


def over_keys(mask: Tensor | None) -> Tensor | None:
    """Where there is no padding (batch, time), for all heads and queries; None where nothing is padded."""
    return None if mask is None else mask[:, None, None, :]
