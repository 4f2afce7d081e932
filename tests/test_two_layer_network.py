"""A network of two layers, computed by hand: x -> 3 hidden units -> one output, target 1.

The objective is the log-likelihood l = log(output). The example's source prints, under the names dl/dW2, dl/db2
and dl/dW1, derivatives of the output and of the hidden units; both are checked here, each under its own name.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from nntrain.models.activations import Activation, activation_module
from nntrain.models.mlp import MultilayerPerceptron
from nntrain.network import Network, head_for
from nntrain.specs import Values, Vector


class Example:
    """The network with the example's weights, and its values for x = (0.5, -0.5)."""

    def __init__(self, activation: Activation) -> None:
        body = MultilayerPerceptron(Vector(2), hidden=[3], activation=activation)
        network = Network(body, head_for(Values(("y",)), body)).double()
        self.linear, self.head = body.layers[0].linear, network.head
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[0.5, -2.5], [1.2, 0.1], [-0.7, -1.2]]))
            self.linear.bias.copy_(torch.tensor([-1.5, -1.3, 2.0]))
            self.head.weight.copy_(torch.tensor([[-1.5, 0.2, 0.5]]))
            self.head.bias.copy_(torch.tensor([1.0]))
        self.x = torch.tensor([[0.5, -0.5]], dtype=torch.float64, requires_grad=True)
        self.hidden = body(self.x)
        self.output = activation_module(activation)(network.head(self.hidden)).squeeze()
        self.log_likelihood = self.output.log()
        whole = activation_module(activation)(network(self.x)).squeeze()
        assert torch.equal(whole, self.output)

    def derivative(self, of: Tensor, by: Tensor) -> Tensor:
        return torch.autograd.grad(of, by, retain_graph=True)[0].squeeze()


@pytest.fixture
def sigmoid() -> Example:
    return Example("sigmoid")


@pytest.fixture
def relu() -> Example:
    return Example("relu")


def is_printed(value: Tensor, digits: Any) -> None:
    """The value is what is printed with four decimals."""
    torch.testing.assert_close(value, torch.tensor(digits, dtype=torch.float64), rtol=0, atol=0.5001e-4)


def test_sigmoid_values(sigmoid: Example) -> None:
    is_printed(sigmoid.hidden.squeeze(), [0.5, 0.3208, 0.9047])
    is_printed(sigmoid.output, 0.6828)


def test_sigmoid_derivatives_of_the_log_likelihood(sigmoid: Example) -> None:
    objective = sigmoid.log_likelihood
    is_printed(sigmoid.derivative(objective, sigmoid.head.weight), [0.1586, 0.1018, 0.2870])
    is_printed(sigmoid.derivative(objective, sigmoid.head.bias), 0.3172)
    is_printed(sigmoid.derivative(objective, sigmoid.hidden), [-0.4759, 0.0634, 0.1586])
    is_printed(sigmoid.derivative(objective, sigmoid.linear.bias), [-0.1190, 0.0138, 0.0137])
    in_first_layer = [[-0.0595, 0.0595], [0.0069, -0.0069], [0.0068, -0.0068]]
    is_printed(sigmoid.derivative(objective, sigmoid.linear.weight), in_first_layer)
    is_printed(sigmoid.derivative(objective, sigmoid.x), [-0.0525, 0.2824])


def test_what_the_source_prints_for_the_second_layer_are_derivatives_of_the_output(sigmoid: Example) -> None:
    is_printed(sigmoid.derivative(sigmoid.output, sigmoid.head.weight), [0.1083, 0.0695, 0.1959])
    is_printed(sigmoid.derivative(sigmoid.output, sigmoid.head.bias), 0.2166)


def test_what_the_source_prints_for_the_first_layer_are_derivatives_of_the_hidden_units(sigmoid: Example) -> None:
    """Unit j depends on row j alone, so the derivative of the units' sum holds dh_j/dW1_j in its row j."""
    by_weight = sigmoid.derivative(sigmoid.hidden.sum(), sigmoid.linear.weight)
    by_bias = sigmoid.derivative(sigmoid.hidden.sum(), sigmoid.linear.bias)
    is_printed(by_weight, [[0.1250, -0.1250], [0.1089, -0.1089], [0.0431, -0.0431]])
    is_printed(by_bias, [0.2500, 0.2179, 0.0863])
    chained = sigmoid.derivative(sigmoid.log_likelihood, sigmoid.hidden)[:, None] * by_weight
    assert torch.allclose(chained, sigmoid.derivative(sigmoid.log_likelihood, sigmoid.linear.weight), rtol=1e-12)


def test_relu_values(relu: Example) -> None:
    is_printed(relu.hidden.squeeze(), [0.0, 0.0, 2.25])
    is_printed(relu.output, 2.125)


def test_relu_derivatives_of_the_log_likelihood(relu: Example) -> None:
    """The first unit's input is 0, where the derivative is taken as 0."""
    objective = relu.log_likelihood
    is_printed(relu.derivative(objective, relu.head.weight), [0.0, 0.0, 1.0588])
    is_printed(relu.derivative(objective, relu.head.bias), 0.4706)
    is_printed(relu.derivative(objective, relu.linear.bias), [0.0, 0.0, 0.2353])
    is_printed(relu.derivative(objective, relu.linear.weight), [[0.0, 0.0], [0.0, 0.0], [0.1176, -0.1176]])
    is_printed(relu.derivative(objective, relu.x), [-0.1647, -0.2824])
