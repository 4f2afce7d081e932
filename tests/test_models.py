"""Models: parameters, shapes, formulas, and derivatives against differences."""

import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from made import component
from torch import Tensor, nn
from torch.func import functional_call

from nntrain.errors import UnfitError
from nntrain.models.activations import Activation, activation_module
from nntrain.models.lenet import LeNet
from nntrain.models.linear import Linear
from nntrain.models.mlp import MultilayerPerceptron
from nntrain.network import Network, head_for, parameter_count
from nntrain.specs import Classes, Image, Values, Vector

TEN = Classes(tuple("0123456789"))
GREY = Image(1, 28, 28)
BATCH = component("normalization", "batch")


def network(body: nn.Module, targets: Classes | Values = TEN) -> Network:
    return Network(body, head_for(targets, body))


@pytest.mark.parametrize(
    ("inputs", "targets", "expected"),
    [
        (GREY, TEN, 61_706),
        (Image(3, 32, 32), TEN, 3 * 150 + 6 + 2416 + (16 * 36 + 1) * 120 + 121 * 84 + 850),
        (Image(1, 12, 12), Classes(("a", "b")), 156 + 2416 + 17 * 120 + 121 * 84 + 85 * 2),
    ],
)
def test_parameters_of_lenet(inputs: Image, targets: Classes, expected: int) -> None:
    assert parameter_count(network(LeNet(inputs), targets)) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 785 * 128 + 129 * 10),
        ({"hidden": []}, 785 * 10),
        ({"hidden": [64, 32]}, 785 * 64 + 65 * 32 + 33 * 10),
        ({"hidden": [64, 32], "norm": BATCH}, 785 * 64 + 2 * 64 + 65 * 32 + 2 * 32 + 33 * 10),
    ],
)
def test_parameters_of_the_perceptron(settings: dict[str, Any], expected: int) -> None:
    assert parameter_count(network(MultilayerPerceptron(GREY, **settings))) == expected


def test_parameters_of_the_linear_model() -> None:
    assert parameter_count(network(Linear(Vector(30)), Classes(("a", "b")))) == 62


def test_only_trained_parameters_are_counted() -> None:
    net = network(MultilayerPerceptron(Vector(3), hidden=[5]))
    net.body.requires_grad_(False)
    assert parameter_count(net) == 60


BODIES: dict[str, Callable[[], nn.Module]] = {
    "linear of vectors": lambda: Linear(Vector(6)),
    "linear of images": lambda: Linear(Image(2, 3, 5)),
    "mlp of vectors": lambda: MultilayerPerceptron(Vector(6), hidden=[4, 7]),
    "mlp of images": lambda: MultilayerPerceptron(Image(2, 3, 5), hidden=[4], norm=BATCH, dropout=0.5),
    "lenet": lambda: LeNet(GREY),
    "lenet of colour": lambda: LeNet(Image(3, 32, 32), pool="average", activation="tanh"),
    "lenet of wide images": lambda: LeNet(Image(1, 12, 40), dropout=0.5),
}
SHAPES = {
    "linear of vectors": (6,),
    "mlp of vectors": (6,),
    "linear of images": (2, 3, 5),
    "mlp of images": (2, 3, 5),
    "lenet": (1, 28, 28),
    "lenet of colour": (3, 32, 32),
    "lenet of wide images": (1, 12, 40),
}


@pytest.mark.parametrize("targets", [TEN, Values(("a", "b"))])
@pytest.mark.parametrize("name", BODIES)
def test_outputs_have_one_column_for_each_class_or_value(name: str, targets: Classes | Values) -> None:
    body = BODIES[name]()
    x = torch.randn(4, *SHAPES[name])
    assert body(x).shape == (4, body.features)
    assert network(body, targets)(x).shape == (4, len(targets))


@pytest.mark.parametrize("sides", [(12, 12), (12, 28), (28, 12)])
def test_the_smallest_side_of_lenet_is_12(sides: tuple[int, int]) -> None:
    assert LeNet(Image(1, *sides))(torch.zeros(2, 1, *sides)).shape == (2, 84)


@pytest.mark.parametrize("sides", [(11, 11), (11, 28), (28, 11), (1, 1), (4, 4)])
def test_lenet_refuses_smaller_images(sides: tuple[int, int]) -> None:
    with pytest.raises(UnfitError, match=f"{sides[0]}x{sides[1]} is too small.*smallest side is 12"):
        LeNet(Image(1, *sides))


def test_lenet_by_its_layers() -> None:
    torch.manual_seed(0)
    body, x = LeNet(GREY, activation="tanh", pool="average"), torch.randn(2, 1, 28, 28)
    maps = F.avg_pool2d(torch.tanh(F.conv2d(x, body.conv1.weight, body.conv1.bias, padding=2)), 2)
    assert maps.shape == (2, 6, 14, 14)
    maps = F.avg_pool2d(torch.tanh(F.conv2d(maps, body.conv2.weight, body.conv2.bias)), 2)
    assert maps.shape == (2, 16, 5, 5)
    units = torch.tanh(body.fc2(torch.tanh(body.fc1(maps.reshape(2, 400)))))
    torch.testing.assert_close(body(x), units)


def test_the_perceptron_by_its_formula() -> None:
    torch.manual_seed(0)
    net, x = network(MultilayerPerceptron(Vector(3), hidden=[5, 4], activation="tanh")), torch.randn(7, 3)
    (w1, b1), (w2, b2) = [(layer.linear.weight, layer.linear.bias) for layer in net.body.layers]
    expected = torch.tanh(torch.tanh(x @ w1.T + b1) @ w2.T + b2) @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_the_perceptron_has_as_many_layers_as_hidden_says(depth: int) -> None:
    body = MultilayerPerceptron(Vector(3), hidden=[4] * depth)
    assert sum(isinstance(module, nn.Linear) for module in body.modules()) == depth
    assert body.features == (4 if depth else 3)


def test_batch_normalisation_stands_before_the_activation() -> None:
    torch.manual_seed(0)
    body, x = MultilayerPerceptron(Vector(3), hidden=[5], activation="sigmoid", norm=BATCH), torch.randn(64, 3)
    z = body.layers[0].linear(x)
    normed = (z - z.mean(dim=0)) / (z.var(dim=0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(body(x), torch.sigmoid(normed))


def test_batch_normalisation_uses_running_statistics_in_evaluation() -> None:
    body = MultilayerPerceptron(Vector(3), hidden=[5], norm=BATCH).eval()
    x = torch.randn(8, 3)
    torch.testing.assert_close(body(x)[:1], body(x[:1]))


@pytest.mark.parametrize("pick", ["mlp", "lenet"])
def test_dropout_acts_in_training_only(pick: str) -> None:
    torch.manual_seed(0)
    body = MultilayerPerceptron(GREY, dropout=0.3) if pick == "mlp" else LeNet(GREY, dropout=0.3)
    x = torch.randn(4, 1, 28, 28)
    assert not torch.equal(body(x), body(x))
    body.eval()
    assert torch.equal(body(x), body(x))


def test_dropout_zeroes_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    body, x = MultilayerPerceptron(Vector(3), hidden=[20_000], activation="sigmoid", dropout=0.3), torch.randn(1, 3)
    dropped, whole = body(x), body.eval()(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], whole[kept] / 0.7)


def test_lenet_drops_units_of_both_fully_connected_layers() -> None:
    torch.manual_seed(0)
    body, x = LeNet(Image(1, 12, 12), activation="sigmoid", dropout=0.3), torch.randn(100, 1, 12, 12)
    units: list[Tensor] = []
    body.fc2.register_forward_pre_hook(lambda module, inputs: units.append(inputs[0]))
    units.append(body(x))
    assert [unit.shape[1] for unit in units] == [120, 84]
    assert [(unit == 0).float().mean().item() for unit in units] == pytest.approx([0.3, 0.3], abs=0.02)


@pytest.mark.parametrize("name", ["linear of vectors", "mlp of vectors"])
def test_models_without_dropout_are_the_same_in_training_and_evaluation(name: str) -> None:
    body, x = BODIES[name](), torch.randn(4, *SHAPES[name])
    assert torch.equal(body.train()(x), body.eval()(x))


def test_activations() -> None:
    z = torch.tensor([-2.0, -0.5, 0.0, 1.5], dtype=torch.float64)
    formulas: dict[Any, Callable[[float], float]] = {
        "relu": lambda v: max(0.0, v),
        "leaky_relu": lambda v: max(0.01 * v, v),
        "elu": lambda v: v if v > 0 else math.exp(v) - 1,
        "selu": lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * (math.exp(v) - 1)),
        "silu": lambda v: v / (1 + math.exp(-v)),
        "gelu": lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))),
        "tanh": math.tanh,
        "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    }
    assert set(formulas) == set(get_args(Activation))
    for name, formula in formulas.items():
        assert activation_module(name)(z).tolist() == pytest.approx([formula(v) for v in z.tolist()], rel=1e-12), name


SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: Linear(Vector(3)), (3,)),
    "mlp": (lambda: MultilayerPerceptron(Vector(3), hidden=[4, 3], activation="tanh"), (3,)),
    "mlp with norm": (lambda: MultilayerPerceptron(Vector(3), hidden=[4], activation="elu", norm=BATCH), (3,)),
    "lenet": (lambda: LeNet(Image(1, 12, 12), activation="tanh", pool="average"), (1, 12, 12)),
    "lenet with maxima": (lambda: LeNet(Image(2, 12, 12), activation="sigmoid"), (2, 12, 12)),
}


@pytest.mark.parametrize("name", SMALL)
def test_derivatives_against_differences(name: str) -> None:
    make, shape = SMALL[name]
    torch.manual_seed(0)
    net = network(make(), Classes(("a", "b"))).double()
    x = torch.randn(3, *shape, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*net.named_parameters(), strict=True)

    def outputs(x: Tensor, *parameters: Tensor) -> Tensor:
        return functional_call(net, dict(zip(names, parameters, strict=True)), x)

    assert torch.autograd.gradcheck(outputs, (x, *parameters), fast_mode=True)


def test_linear_is_logistic_regression() -> None:
    """z = W x + b, and the gradient of the mean cross-entropy is (softmax(z) - t)' x / n."""
    torch.manual_seed(0)
    net = network(Linear(Image(1, 2, 2)), Classes(("a", "b", "c"))).double()
    images, targets = torch.randn(9, 1, 2, 2, dtype=torch.float64), torch.arange(9) % 3
    x = images.reshape(9, 4)
    z = x @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(images), z)
    error = (z.exp() / z.exp().sum(dim=1, keepdim=True) - F.one_hot(targets)) / 9
    gradients = torch.autograd.grad(F.cross_entropy(net(images), targets), [net.head.weight, net.head.bias])
    torch.testing.assert_close(gradients[0], error.T @ x)
    torch.testing.assert_close(gradients[1], error.sum(dim=0))
