"""Activation functions by name."""

from collections.abc import Callable
from typing import Literal, get_args

from torch import nn

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid"]

_MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
assert set(_MODULES) == set(get_args(Activation))


def activation_module(name: Activation) -> nn.Module:
    """relu max(0, z); leaky_relu max(0.01 z, z); elu z or exp(z) - 1, selu 1.0507 times z or 1.6733 (exp(z) - 1);
    gelu z Phi(z); silu z sigmoid(z); tanh; sigmoid 1 / (1 + e^-z).
    """
    return _MODULES[name]()
