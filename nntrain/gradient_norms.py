"""How long the gradient of each layer is: where a network is deep, this shows gradients that vanish or explode."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nntrain.layers import PARAMETRIZATIONS


class GradientNorms:
    """|g_l| for each layer l, a layer being a module with parameters of its own, in the order of these.

    What computes a layer's weights (weight normalisation) counts as part of it. Nothing here waits for the device.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are those of the parameters, in the order of the gradients."""
        owners = [_layer_of(name) for name in names]
        self.layers = list(dict.fromkeys(owners))
        self._members = torch.tensor([[layer == owner for owner in owners] for layer in self.layers])

    def __call__(self, gradients: list[Tensor]) -> Tensor:
        """The norms, (layers,)."""
        squares = torch.stack(torch._foreach_norm(gradients)).square()
        self._members = self._members.to(squares)
        return (self._members @ squares).sqrt()


class NoGradientNorms:
    """Where they are not asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self.layers: list[str] = []

    def __call__(self, gradients: list[Tensor]) -> Tensor:
        return gradients[0].new_zeros(0)


def _layer_of(parameter: str) -> str:
    """The module's name; `parameters` for those that the whole model has itself."""
    module, computes_weights, _ = parameter.partition(f".{PARAMETRIZATIONS}.")
    return module if computes_weights else parameter.rpartition(".")[0] or "parameters"
