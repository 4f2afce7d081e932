"""Layers against torch.nn's, with the weights copied over."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from nntrain.forms import Architecture, Normalization
from nntrain.forms.attention import Memory, Scope
from nntrain.forms.stack import Layer, Stack
from nntrain.positions.none import NoPositions

WIDTH, HEADS = 16, 4
NORMS = ("before", "after")
Pairs = list[tuple[nn.Module, nn.Module]]


def stack(
    norm: str, has_memory: bool = False, stochastic_depth: float = 0.0, normalization: Normalization = "layer"
) -> Stack:
    """Two layers whose parameters are all random, so that no part of them is as if it were not there."""
    architecture = Architecture(WIDTH, HEADS, 2, 24, "gelu", 0.0, NoPositions, normalization)
    made = Stack(architecture, norm=norm, scale=True, stochastic_depth=stochastic_depth, has_memory=has_memory)
    for parameter in made.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return made


def torchs(kind: type[nn.Module], norm: str) -> nn.Module:
    return kind(WIDTH, HEADS, 24, 0.0, "gelu", batch_first=True, norm_first=norm == "before")


def copy(layer: Layer, into: nn.Module) -> None:
    copied: Pairs = [
        (layer.attention.out, into.self_attn.out_proj),
        (layer.feedforward.up, into.linear1),
        (layer.feedforward.down, into.linear2),
        (layer.attention_norm, into.norm1),
        (layer.feedforward_norm, into.norm2),
    ]
    qkv = layer.attention.qkv
    into.self_attn.in_proj_weight.data, into.self_attn.in_proj_bias.data = qkv.weight.data, qkv.bias.data
    if hasattr(layer, "cross_attention"):
        cross, other = layer.cross_attention, into.multihead_attn
        other.in_proj_weight.data = torch.cat((cross.query.weight.data, cross.key_value.weight.data))
        other.in_proj_bias.data = torch.cat((cross.query.bias.data, cross.key_value.bias.data))
        copied[3:] = [
            (layer.attention_norm, into.norm1),
            (layer.cross_attention_norm, into.norm2),
            (layer.feedforward_norm, into.norm3),
            (cross.out, other.out_proj),
        ]
    for one, other in copied:
        other.load_state_dict(one.state_dict())


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    """Features (2, 7, width), and where they are no padding."""
    return torch.randn(2, 7, WIDTH), torch.tensor([[1] * 7, [1] * 4 + [0] * 3]).bool()


@pytest.mark.parametrize("norm", NORMS)
def test_an_encoder_is_torchs(norm: str) -> None:
    torch.manual_seed(0)
    own, (x, mask) = stack(norm), padded()
    norm_layer = own.norm if norm == "before" else None
    other = nn.TransformerEncoder(torchs(nn.TransformerEncoderLayer, norm), 2, norm_layer, enable_nested_tensor=False)
    for layer, into in zip(own.layers, other.layers, strict=True):
        copy(layer, into)
    given = x if norm == "before" else own.norm(x)
    expected = other(given, src_key_padding_mask=~mask)
    torch.testing.assert_close(own(x, Scope(mask[:, None, None, :]))[mask], expected[mask], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_causal_encoder_is_torchs(norm: str) -> None:
    torch.manual_seed(0)
    own, (x, _) = stack(norm), padded()
    norm_layer = own.norm if norm == "before" else None
    other = nn.TransformerEncoder(torchs(nn.TransformerEncoderLayer, norm), 2, norm_layer, enable_nested_tensor=False)
    for layer, into in zip(own.layers, other.layers, strict=True):
        copy(layer, into)
    given = x if norm == "before" else own.norm(x)
    expected = other(given, mask=nn.Transformer.generate_square_subsequent_mask(7))
    torch.testing.assert_close(own(x, Scope(is_causal=True)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_decoder_with_a_memory_is_torchs(norm: str) -> None:
    torch.manual_seed(0)
    own, (memory, mask), x = stack(norm, has_memory=True), padded(), torch.randn(2, 5, WIDTH)
    norm_layer = own.norm if norm == "before" else None
    other = nn.TransformerDecoder(torchs(nn.TransformerDecoderLayer, norm), 2, norm_layer)
    for layer, into in zip(own.layers, other.layers, strict=True):
        copy(layer, into)
    expected = other(
        x if norm == "before" else own.norm(x),
        memory,
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(5),
        memory_key_padding_mask=~mask,
    )
    found = own(x, Scope(is_causal=True), memory=Memory(memory, mask))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_weights_start_as_in_gpt2() -> None:
    torch.manual_seed(0)
    architecture = Architecture(256, 4, 8, 1024, "gelu", 0.0, NoPositions, "layer")
    layer = Stack(architecture, norm="before", scale=True, stochastic_depth=0.0).layers[3]
    for linear, deviation in ((layer.attention.qkv, 0.02), (layer.feedforward.up, 0.02), (layer.attention.out, 0.005),
                              (layer.feedforward.down, 0.005)):  # fmt: skip
        assert linear.weight.std().item() == pytest.approx(deviation, rel=0.02)
        assert not linear.bias.any()


@pytest.mark.parametrize("norm", NORMS)
def test_rms_normalisation_is_by_the_size_alone(norm: str) -> None:
    torch.manual_seed(0)
    own, (x, _) = stack(norm, normalization="rms"), padded()
    scales = [module for module in own.modules() if isinstance(module, nn.RMSNorm)]
    assert len(scales) == 5 and not any(isinstance(module, nn.LayerNorm) for module in own.modules())
    expected = x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() * own.norm.weight
    torch.testing.assert_close(own.norm(x), expected)
    assert not torch.allclose(own(x, Scope()), own(2 * x, Scope()))


@pytest.mark.parametrize("norm", NORMS)
def test_stochastic_depth_leaves_out_parts_of_layers_example_by_example(norm: str) -> None:
    torch.manual_seed(0)
    layer, x = stack(norm, stochastic_depth=0.4).layers[0], torch.randn(200, 3, WIDTH)  # the lower of 2: share 0.2
    found = layer(x, Scope())

    def added(x: Tensor, normalised: nn.Module, part: nn.Module, times: float, *scope: Scope) -> Tensor:
        return x + times * part(normalised(x), *scope) if norm == "before" else normalised(x + times * part(x, *scope))

    distances, chosen = [], list(itertools.product((0.0, 1 / 0.8), repeat=2))
    for first, second in chosen:
        h = added(x, layer.attention_norm, layer.attention, first, Scope())
        h = added(h, layer.feedforward_norm, layer.feedforward, second)
        distances.append((found - h).abs().amax(dim=(1, 2)))
    least, which = torch.stack(distances).min(dim=0)
    assert float(least.max()) < 1e-4
    counts = which.bincount(minlength=4) / 200
    assert counts.tolist() == pytest.approx([0.04, 0.16, 0.16, 0.64], abs=0.1)
    layer.eval()
    assert torch.equal(layer(x, Scope()), layer(x, Scope()))
