"""The multilayer perceptron's normalisations and its bottleneck."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from made import component
from torch import nn

from nntrain.errors import UnfitError
from nntrain.layers import multiply_adds, trace
from nntrain.models.mlp import MultilayerPerceptron
from nntrain.network import parameter_count
from nntrain.regularizers import OnWeights
from nntrain.regularizers.weights import l2
from nntrain.specs import Vector


def body(**settings: Any) -> MultilayerPerceptron:
    torch.manual_seed(0)
    if "norm" in settings:
        settings["norm"] = component("normalization", settings["norm"])
    return MultilayerPerceptron(Vector(3), **settings)


def test_layer_normalisation_is_over_the_units_of_an_example() -> None:
    net, x = body(hidden=[5], activation="tanh", norm="layer"), torch.randn(7, 3)
    z = net.layers[0].linear(x)
    centred = z - z.mean(dim=1, keepdim=True)
    normed = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(net(x), torch.tanh(normed))


def test_normalised_weights_are_a_length_times_a_direction() -> None:
    net, x = body(hidden=[5], activation="tanh", norm="weight"), torch.randn(7, 3)
    named = dict(net.named_parameters())
    length, direction = (named[f"layers.0.linear.parametrizations.weight.original{i}"] for i in (0, 1))
    with torch.no_grad():
        length.mul_(torch.arange(1.0, 6.0)[:, None])
    weight = length * direction / direction.norm(dim=1, keepdim=True)
    torch.testing.assert_close(net(x), torch.tanh(x @ weight.T + named["layers.0.linear.bias"]))


def test_weight_normalisation_starts_as_the_network_without() -> None:
    x = torch.randn(7, 3)
    torch.testing.assert_close(body(hidden=[5, 4], norm="weight")(x), body(hidden=[5, 4])(x))


def test_a_checkpoint_of_normalised_weights_is_the_same_network() -> None:
    net, x = body(hidden=[5, 4], norm="weight"), torch.randn(7, 3)
    other = body(hidden=[5, 4], norm="weight")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(x), other(x))


def test_a_penalty_is_on_the_weights_that_normalisation_makes_or_on_the_parameters_that_are_named() -> None:
    model = body(hidden=[5], norm="weight")
    parameters = dict(model.named_parameters())
    penalty = OnWeights(lambda: l2(weight=2.0))
    penalty.bind(model)
    of_all = penalty.penalty()
    assert of_all is not None
    torch.testing.assert_close(of_all, model.layers[0].linear.weight.square().sum())
    lengths = OnWeights(lambda: l2(weight=2.0), match="original0$")
    lengths.bind(model)
    value = lengths.penalty()
    assert value is not None
    torch.testing.assert_close(value, parameters["layers.0.linear.parametrizations.weight.original0"].square().sum())


def test_a_layer_with_normalised_weights_is_seen_as_one_layer() -> None:
    layers = trace(body(hidden=[5], norm="weight"), torch.randn(1, 3))
    assert [layer.name for layer in layers] == ["layers.0.linear", "layers.0.activation"]
    assert layers[0].parameters == 5 * 3 + 5 + 5
    assert multiply_adds(layers) == 5 * 3 + 5


@pytest.mark.parametrize("hidden", [[5], [6, 5], [7, 6, 5]])
def test_the_bottleneck_is_linear_and_stands_below_the_last_hidden_layer(hidden: list[int]) -> None:
    net, x = body(hidden=hidden, bottleneck=2, activation="tanh"), torch.randn(4, 3)
    assert isinstance(net.bottleneck, nn.Linear)
    sizes = [3, *hidden]
    expected = sum((i + 1) * o for i, o in pairwise(sizes[:-1])) + (sizes[-2] + 1) * 2 + 3 * 5
    assert parameter_count(net) == expected
    narrow = net.bottleneck(net.layers[:-1](x))
    assert narrow.shape == (4, 2)
    torch.testing.assert_close(net(x), torch.tanh(net.layers[-1].linear(narrow)))
    assert [layer.name for layer in trace(net, x)].count("bottleneck") == 1


def test_a_bottleneck_needs_a_hidden_layer() -> None:
    with pytest.raises(UnfitError, match="below the last hidden layer"):
        MultilayerPerceptron(Vector(3), hidden=[], bottleneck=2)


@pytest.mark.parametrize("norm", ["layer", "weight"])
def test_derivatives_of_normalised_networks_against_differences(norm: Any) -> None:
    net = body(hidden=[4, 3], activation="tanh", norm=norm, bottleneck=2).double()
    names, parameters = zip(*net.named_parameters(), strict=True)
    x = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)

    def outputs(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(outputs, (x, *parameters), fast_mode=True)
