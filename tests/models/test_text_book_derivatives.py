"""Derivatives that lecture notes misprint, in their right form."""

import torch
from torch import nn

from nntrain.models.mlp import MultilayerPerceptron
from nntrain.network import Network, head_for
from nntrain.specs import Values, Vector


def test_the_softmax_jacobian_is_minus_the_product_off_the_diagonal() -> None:
    """dy_i/dz_j = y_i (1 - y_i) where i = j, and -y_i y_j elsewhere."""
    torch.manual_seed(0)
    z = torch.randn(5, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: z.softmax(dim=0), z)
    y = z.softmax(dim=0)
    off = ~torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(jacobian[off], -torch.outer(y, y)[off])
    torch.testing.assert_close(jacobian.diagonal(), y * (1 - y))


def test_the_derivative_of_binary_cross_entropy_by_the_output() -> None:
    """L = -y ln h - (1 - y) ln(1 - h): dL/dh = (h - y) / (h (1 - h)), and dL/dz = h - y for h = sigmoid(z)."""
    z = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    y, h = torch.tensor([0.0, 1, 1, 0, 1, 0, 0.3], dtype=torch.float64), torch.sigmoid(z)
    loss = nn.functional.binary_cross_entropy(h, y, reduction="sum")
    by_output, by_score = torch.autograd.grad(loss, (h, z))
    torch.testing.assert_close(by_output, (h - y) / (h * (1 - h)))
    torch.testing.assert_close(by_score, h - y)


def test_the_recursion_of_deltas_takes_the_derivative_at_z() -> None:
    """delta_l = f'(z_l) * (W_{l+1}^T delta_{l+1}) with f' at z_l, not at f(z_l); dL/dW_l = delta_l h_{l-1}^T."""
    torch.manual_seed(0)
    body = MultilayerPerceptron(Vector(3), hidden=[5, 4], activation="elu")
    net, x = Network(body, head_for(Values(("a", "b")), body)).double(), torch.randn(6, 3, dtype=torch.float64)
    t = torch.randn(6, 2, dtype=torch.float64)
    first, second = (layer.linear for layer in body.layers)
    z1 = x @ first.weight.T + first.bias
    h1 = nn.functional.elu(z1)
    z2 = h1 @ second.weight.T + second.bias
    h2 = nn.functional.elu(z2)

    def slope(z: torch.Tensor) -> torch.Tensor:
        return torch.where(z > 0, 1.0, z.exp())

    delta3 = h2 @ net.head.weight.T + net.head.bias - t
    delta2 = slope(z2) * (delta3 @ net.head.weight)
    delta1 = slope(z1) * (delta2 @ second.weight)
    loss = (net(x) - t).square().sum() / 2
    weights = (first.weight, second.weight, net.head.weight)
    gradients = torch.autograd.grad(loss, weights)
    for gradient, delta, h in zip(gradients, (delta1, delta2, delta3), (x, h1, h2), strict=True):
        torch.testing.assert_close(gradient, delta.T @ h)
