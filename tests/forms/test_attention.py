"""Attention against its formula, in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.forms.attention import Cache, CrossAttention, Memory, Scope, SelfAttention

HEADS, WIDTH = 3, 12


def plain(queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor, divisor: float) -> Tensor:
    """softmax(Q K^T / divisor) V, head by head; `seen` (queries, keys) is True where a query sees a key."""
    heads = []
    for q, k, v in zip(*(part.split(WIDTH // HEADS, dim=-1) for part in (queries, keys, values)), strict=True):
        scores = q @ k.transpose(-1, -2) / divisor
        weights = scores.exp() * seen
        heads.append(weights / weights.sum(dim=-1, keepdim=True) @ v)
    return torch.cat(heads, dim=-1)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("is_causal", [True, False])
def test_self_attention_by_its_formula(scale: bool, is_causal: bool) -> None:
    attention = SelfAttention(WIDTH, HEADS, dropout=0.0, scale=scale).double()
    x = torch.randn(2, 7, WIDTH, dtype=torch.float64)
    q, k, v = (attention.qkv(x)[..., i * WIDTH : (i + 1) * WIDTH] for i in range(3))
    seen = torch.ones(7, 7, dtype=torch.float64)
    divisor = math.sqrt(WIDTH / HEADS) if scale else 1.0
    expected = attention.out(plain(q, k, v, seen.tril() if is_causal else seen, divisor))
    torch.testing.assert_close(attention(x, Scope(is_causal=is_causal)), expected)


def test_on_a_cpu_weights_are_taken_in_float32_also_where_products_are_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch's kernel for bfloat16 takes some times as long backward."""
    attention, x = SelfAttention(WIDTH, HEADS, dropout=0.0, scale=True), torch.randn(2, 7, WIDTH)
    types = []
    kernel = F.scaled_dot_product_attention

    def seen(*parts: Tensor, **settings: object) -> Tensor:
        types.extend([*(part.dtype for part in parts[:3]), kernel(*parts, **settings).dtype])
        return kernel(*parts, **settings)

    monkeypatch.setattr(F, "scaled_dot_product_attention", seen)
    with torch.autocast("cpu", torch.bfloat16):
        assert attention.qkv(x).dtype == attention(x, Scope()).dtype == torch.bfloat16
    assert types == [torch.float32] * 4


def test_keys_that_are_masked_are_not_seen() -> None:
    attention = SelfAttention(WIDTH, HEADS, dropout=0.0, scale=True).double()
    x = torch.randn(2, 7, WIDTH, dtype=torch.float64)
    q, k, v = attention.qkv(x).chunk(3, dim=-1)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3]).bool()
    expected = attention.out(plain(q, k, v, mask[:, None, :].double(), math.sqrt(WIDTH / HEADS)))
    torch.testing.assert_close(attention(x, Scope(mask[:, None, None, :])), expected)


@pytest.mark.parametrize("scale", [True, False])
def test_cross_attention_by_its_formula(scale: bool) -> None:
    attention = CrossAttention(WIDTH, HEADS, dropout=0.0, scale=scale).double()
    x, features = torch.randn(2, 5, WIDTH, dtype=torch.float64), torch.randn(2, 7, WIDTH, dtype=torch.float64)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3]).bool()
    k, v = attention.key_value(features).chunk(2, dim=-1)
    divisor = math.sqrt(WIDTH / HEADS) if scale else 1.0
    expected = attention.out(plain(attention.query(x), k, v, mask[:, None, :].double(), divisor))
    torch.testing.assert_close(attention(x, Memory(features, mask)), expected)


def test_dropout_acts_on_the_weights_of_attention() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(WIDTH, HEADS, dropout=0.5, scale=True)
    x = torch.randn(2, 7, WIDTH)
    assert not torch.equal(attention(x, Scope()), attention(x, Scope()))
    attention.eval()
    assert torch.equal(attention(x, Scope()), attention(x, Scope()))


def test_a_cache_keeps_keys_and_values() -> None:
    attention, x = SelfAttention(WIDTH, HEADS, dropout=0.0, scale=True), torch.randn(2, 7, WIDTH)
    whole, cache = attention(x, Scope(is_causal=True)), Cache()
    assert cache.length == 0
    torch.testing.assert_close(attention(x[:, :4], Scope(is_causal=True), cache), whole[:, :4])
    assert cache.length == 4
    torch.testing.assert_close(attention(x[:, 4:5], Scope(), cache), whole[:, 4:5])
    assert cache.length == 5
