"""What layers start from: the deviation that the activation's paper derives, in every network that follows it."""

import math
from typing import Any, get_args

import pytest
import torch
from made import made
from torch import nn

from nntrain.initializers.scaled import glorot_uniform, he_normal, lecun_normal
from nntrain.models.activations import Activation, activation_module
from nntrain.models.starting_weights import started
from nntrain.network import head_for
from nntrain.specs import Classes, Image, Reconstruction, Series, Vector

ACTIVATIONS = get_args(Activation)
RELU, TANH = math.sqrt(2), 1.0


def deviation(activation: str, n_in: int, n_out: int) -> float:
    """By the papers' formulas."""
    if activation in ("tanh", "sigmoid"):
        return {"tanh": 1.0, "sigmoid": 4.0}[activation] * math.sqrt(2 / (n_in + n_out))
    if activation == "leaky_relu":
        return math.sqrt(2 / (1 + 0.01**2) / n_in)
    return math.sqrt((1 if activation in ("selu", "none") else 2) / n_in)


@pytest.mark.parametrize("activation", (*ACTIVATIONS, "none"))
def test_linear_layers_and_convolutions(activation: Any) -> None:
    torch.manual_seed(0)
    linear, filters = started(nn.Linear(300, 200), activation), started(nn.Conv2d(30, 40, 5), activation)
    assert linear.weight.std().item() == pytest.approx(deviation(activation, 300, 200), rel=0.02)
    assert filters.weight.std().item() == pytest.approx(deviation(activation, 30 * 25, 40 * 25), rel=0.02)
    assert linear.bias.eq(0).all() and filters.bias is not None and filters.bias.eq(0).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_signals_keep_their_size_through_ten_layers(activation: Any) -> None:
    """What the formulas are for: with weights a tenth as large, nothing is left."""
    torch.manual_seed(0)
    x = torch.randn(200, 256)
    for small in (False, True):
        signal = x
        for _ in range(10):
            linear = started(nn.Linear(256, 256), activation)
            with torch.no_grad():
                linear.weight.mul_(0.1 if small else 1)
                signal = activation_module(activation)(linear(signal))
        varying = (signal - signal.mean(dim=0)).std().item()
        assert varying < 1e-6 if small else varying > 0.004


def test_the_initializers_of_the_same_name_are_what_is_used() -> None:
    for activation, fill in (("relu", he_normal()), ("selu", lecun_normal()), ("tanh", glorot_uniform())):
        torch.manual_seed(3)
        layer = nn.Linear(7, 5)
        fill(layer.weight.data)
        expected = layer.weight.detach()
        torch.manual_seed(3)
        assert torch.equal(started(nn.Linear(7, 5), activation).weight, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolutions_keep_the_size_of_signals(stride: int) -> None:
    torch.manual_seed(0)
    layer = started(nn.ConvTranspose2d(64, 32, 3, stride=stride))
    inside = layer(torch.randn(4, 64, 30, 30))[..., 4:-4, 4:-4]
    assert inside.std().item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "inputs", "layers"),
    [
        ({"type": "mlp", "hidden": [500, 400], "bottleneck": 100}, Vector(300),
         {"layers.0.linear": RELU, "bottleneck": 1.0, "layers.1.linear": RELU}),
        ({"type": "lenet"}, Image(3, 28, 28), {"conv1": RELU, "conv2": RELU, "fc1": RELU, "fc2": RELU}),
        ({"type": "lenet", "activation": "selu"}, Image(3, 28, 28), {"conv1": 1.0, "fc1": 1.0}),
        ({"type": "cnn", "blocks": [
            {"type": "convolution", "channels": 60}, {"type": "convolution", "channels": 50, "activation": "none"}]},
         Image(20, 8, 8), {"blocks.0.convolution": RELU, "blocks.1.convolution": 1.0}),
        ({"type": "tdnn"}, Series(50, 20), {"layers.0.weights": RELU, "layers.2.weights": RELU}),
        ({"type": "fsmn"}, Series(50, 20), {"input": RELU, "layers.0": RELU, "memories.0.taps": 1.0}),
        ({"type": "autoencoder", "code": 200, "layers": {"type": "dense", "hidden": [150]}}, Vector(100),
         {"encoder.1": RELU, "encoder.3": 1.0, "decoder.0": RELU, "decoder.2": 1.0}),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) and "type" in value else "",
)  # fmt: skip
def test_networks_follow(settings: dict[str, Any], inputs: Any, layers: dict[str, float]) -> None:
    """Gains by layer: the deviation is gain / sqrt(n_in)."""
    torch.manual_seed(0)
    targets: tuple[Any, ...] = (Classes(("a", "b")),)
    if settings["type"] in ("mlp", "lenet"):
        targets = ()
    if settings["type"] == "autoencoder":
        targets = (Reconstruction(inputs),)
    network = made("model", settings, inputs, *targets)
    for name, gain in layers.items():
        weight = network.get_parameter(f"{name}.weight")
        n_in = weight[0].numel()
        assert weight.std().item() * math.sqrt(n_in) == pytest.approx(gain, rel=0.12), name
    assert all(p.eq(0).all() for name, p in network.named_parameters() if name.endswith("bias"))


def test_a_resnet_keeps_the_size_of_gradients() -> None:
    torch.manual_seed(0)
    network = made("model", {"type": "resnet", "stem": "cifar", "depth": 8}, Image(3, 32, 32))
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for module in convolutions[2:]:
        assert module.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * module.out_channels)), rel=0.05)


def test_alexnet_starts_as_published() -> None:
    torch.manual_seed(0)
    network = made("model", "alexnet", Image(3, 67, 67))
    head = head_for(Classes(tuple("0123456789")), network)
    for module in (*network.children(), head):
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.05)
    starts = {name.partition(".")[0]: set(p.tolist()) for name, p in network.named_parameters() if "bias" in name}
    ones = ("conv2", "conv4", "conv5", "fc6", "fc7")
    assert starts == {name: {1.0 if name in ones else 0.0} for name in ("conv1", "conv3", *ones)}
    assert head.bias.eq(0).all()


def test_the_small_alexnet_starts_as_relu_asks_for() -> None:
    torch.manual_seed(0)
    network = made("model", {"type": "alexnet", "small": True}, Image(3, 32, 32))
    head = head_for(Classes(tuple("0123456789")), network)
    for module in network.children():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / module.weight[0].numel()), rel=0.05)
            assert module.bias is not None and module.bias.eq(0).all()
    assert head.weight.std().item() == pytest.approx(math.sqrt(1 / 3 / 1024), rel=0.05) and head.bias.eq(0).all()


def test_the_head_starts_near_guessing() -> None:
    torch.manual_seed(0)
    head = head_for(Classes(tuple(map(str, range(100)))), made("model", "linear", Vector(300)))
    assert head.weight.var().item() == pytest.approx(1 / (3 * 300), rel=0.03)
    assert head.bias.eq(0).all()
