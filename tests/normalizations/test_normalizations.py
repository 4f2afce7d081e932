"""Normalisations against their formulas and torch's modules, in every network that has the choice."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from made import component, made
from torch import Tensor, nn

from nntrain.blocks import Maps
from nntrain.blocks.normalization import Normalization
from nntrain.errors import UnfitError
from nntrain.registry import Registry
from nntrain.specs import Classes, Image, Vector

SIZES = {0: (), 1: (9,), 2: (7, 6), 3: (4, 5, 4)}
CHANNELS = 6
EVERY = Registry().names("normalization")


def sample(axes: int) -> tuple[Maps, Tensor]:
    torch.manual_seed(0)
    return Maps(CHANNELS, SIZES[axes]), 5 + 2 * torch.randn(4, CHANNELS, *SIZES[axes], dtype=torch.float64)


def norm(name: str, maps: Maps, **settings: Any) -> nn.Module:
    """A normalisation whose gains and biases, where it has them, are not those it starts from."""
    module = made("normalization", {"type": name, **settings}, maps, None).double()
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.5, 2.0)
    return module


def scaled(module: nn.Module, normal: Tensor) -> Tensor:
    """gain_c x_c + bias_c"""
    shape = (1, -1, *(1 for _ in normal.shape[2:]))
    biased = getattr(module, "bias", None)
    return normal * module.weight.view(shape) + (0 if biased is None else biased.view(shape))  # type: ignore[operator]


def standard(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    mean, variance = x.mean(dim=axes, keepdim=True), x.var(dim=axes, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("axes", SIZES)
def test_batch_is_over_examples_and_positions(axes: int) -> None:
    maps, x = sample(axes)
    module = norm("batch", maps)
    torch.testing.assert_close(module(x), scaled(module, standard(x, (0, *range(2, 2 + axes)))))


@pytest.mark.parametrize("axes", SIZES)
def test_layer_is_over_the_channels_of_a_position(axes: int) -> None:
    maps, x = sample(axes)
    module = norm("layer", maps)
    torch.testing.assert_close(module(x), scaled(module, standard(x, (1,))))


@pytest.mark.parametrize("axes", SIZES)
def test_rms_leaves_the_mean(axes: int) -> None:
    maps, x = sample(axes)
    module = norm("rms", maps)
    torch.testing.assert_close(module(x), scaled(module, x / (x.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()))
    assert [name for name, _ in module.named_parameters()] == ["weight"]


@pytest.mark.parametrize("axes", [0, 2, 3])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_group_is_over_the_groups_channels_at_all_positions(axes: int, groups: int) -> None:
    maps, x = sample(axes)
    module = norm("group", maps, groups=groups)
    parts = standard(x.view(4, groups, -1), (2,)).view_as(x)
    torch.testing.assert_close(module(x), scaled(module, parts))


@pytest.mark.parametrize("axes", [2, 3])
def test_instance_is_over_the_positions_of_a_channel(axes: int) -> None:
    maps, x = sample(axes)
    module = norm("instance", maps)
    torch.testing.assert_close(module(x), scaled(module, standard(x, tuple(range(2, 2 + axes)))))
    torch.testing.assert_close(module.eval()(x), module.train()(x))


def test_instance_is_a_group_for_each_channel_and_layer_one_for_vectors() -> None:
    maps, x = sample(2)
    torch.testing.assert_close(
        made("normalization", "instance", maps, None).double()(x), norm_of_groups(maps, CHANNELS)(x)
    )
    maps, x = sample(0)
    torch.testing.assert_close(made("normalization", "layer", maps, None).double()(x), norm_of_groups(maps, 1)(x))


def norm_of_groups(maps: Maps, groups: int) -> nn.Module:
    return made("normalization", {"type": "group", "groups": groups}, maps, None).double()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_local_response_is_over_five_neighbouring_channels(axes: int) -> None:
    maps, x = sample(axes)
    near = torch.stack([x[:, max(0, c - 2) : c + 3].square().sum(dim=1) for c in range(CHANNELS)], dim=1)
    torch.testing.assert_close(made("normalization", "local_response", maps, None)(x), x / (2 + 1e-4 * near) ** 0.75)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_block_is_the_normalisation_alone(axes: int) -> None:
    maps, x = sample(axes)
    block = Normalization(maps, norm=component("normalization", "layer")).double()
    torch.testing.assert_close(block(x), standard(x, (1,)))
    assert block.maps == maps


@pytest.mark.parametrize("layer", [nn.Linear(5, 3), nn.Conv2d(5, 3, 2)])
def test_weight_splits_length_and_direction_and_starts_as_without(layer: nn.Module) -> None:
    before: Tensor = layer.weight.detach().clone()  # type: ignore[operator, union-attr]
    assert made("normalization", "weight", Maps(3, ()), layer) is None
    parameters = dict(layer.named_parameters())
    length, direction = (parameters[f"parametrizations.weight.original{i}"] for i in (0, 1))
    torch.testing.assert_close(layer.weight, before)
    with torch.no_grad():
        length.mul_(2)
        direction.mul_(7)
    torch.testing.assert_close(layer.weight, 2 * before)


@pytest.mark.parametrize(
    ("name", "settings", "sizes", "message", "path"),
    [
        ("group", {"groups": 4}, (3, 3), "6 channels cannot be divided into 4 groups; take a divisor", ("groups",)),
        ("group", {"groups": 6}, (), "a group of one number has no variance", ("groups",)),
        ("group", {"groups": 6}, (1, 1), "a group of one number has no variance", ("groups",)),
        ("group", {"groups": 2}, (9,), "the padding of series would count", ()),
        ("instance", {}, (9,), "the padding of series would count", ()),
        ("instance", {}, (), "a channel with one position has no variance", ()),
        ("instance", {}, (1, 1), "a channel with one position has no variance", ()),
        ("local_response", {}, (), "the units of a vector have no neighbours", ()),
        ("weight", {}, (3, 3), "normalises the weights of a layer, and this has none of its own", ()),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, settings: dict[str, Any], sizes: tuple[int, ...], message: str, path: tuple[str, ...]
) -> None:
    with pytest.raises(UnfitError, match=message) as refused:
        made("normalization", {"type": name, **settings}, Maps(CHANNELS, sizes), None)
    assert refused.value.path == ("normalization", *path)


MODELS: dict[str, Callable[[str], dict[str, Any]]] = {
    "mlp": lambda norm: {"type": "mlp", "hidden": [16], "norm": norm},
    "cnn": lambda norm: {"type": "cnn", "blocks": [{"type": "convolution", "channels": 8, "norm": norm}]},
    "resnet of basic blocks": lambda norm: {"type": "resnet", "stem": "cifar", "depth": 8, "width": 8, "norm": norm},
    "resnet of bottlenecks": lambda norm: {"type": "resnet", "depth": 50, "width": 8, "norm": norm},
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("model", MODELS)
def test_networks_have_every_normalisation_or_say_why_not(name: str, model: str) -> None:
    torch.manual_seed(0)
    targets = (Classes(("a", "b")),) if model == "cnn" else ()
    if model == "mlp" and name in ("instance", "local_response"):
        with pytest.raises(UnfitError, match="take batch, layer, group") as refused:
            made("model", MODELS[model](name), Image(2, 40, 40))
        assert refused.value.path == ("model", "norm")
        return
    network = made("model", MODELS[model](name), Image(2, 40, 40), *targets)
    assert network(torch.randn(2, 2, 40, 40)).isfinite().all()
    biases = [p for n, p in network.named_parameters() if n.endswith("bias")]
    assert biases and all(p.eq(0).all() for p in biases)


def test_a_convolution_without_a_normalisations_bias_has_one_of_its_own() -> None:
    for name in EVERY:
        network = made(
            "model", {"type": "resnet", "stem": "cifar", "depth": 8, "width": 8, "norm": name}, Image(1, 8, 8)
        )
        assert ("conv1.bias" in dict(network.named_parameters())) == (name in ("rms", "weight", "local_response"))


def test_published_weights_are_for_batch_normalisation() -> None:
    with pytest.raises(UnfitError, match="need norm: batch"):
        made("model", {"type": "resnet", "norm": "layer", "pretrained": True}, Image(3, 32, 32))


def test_vectors_are_normalised_in_every_way_that_makes_sense() -> None:
    for name in set(EVERY) - {"instance", "local_response"}:
        assert made("model", {"type": "mlp", "norm": name, "hidden": [16]}, Vector(3))(torch.randn(5, 3)).shape == (
            5,
            16,
        )
