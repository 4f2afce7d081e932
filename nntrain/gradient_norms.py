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
        """`names` are those of all parameters that are ever trained."""
        self.layers = list(dict.fromkeys(map(_layer_of, names)))
        self._members: dict[tuple[str, ...], Tensor] = {}

    def __call__(self, names: tuple[str, ...], gradients: list[Tensor]) -> Tensor:
        """The norms, (layers,), of the gradients of the parameters of these names; 0 for a layer that is frozen."""
        squares = torch.stack(torch._foreach_norm(gradients)).square()
        if names not in self._members:
            owners = [_layer_of(name) for name in names]
            members = torch.tensor([[layer == owner for owner in owners] for layer in self.layers])
            self._members[names] = members.to(squares)
        return (self._members[names] @ squares).sqrt()


class NoGradientNorms:
    """Where they are not asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self.layers: list[str] = []

    def __call__(self, names: tuple[str, ...], gradients: list[Tensor]) -> Tensor:
        return gradients[0].new_zeros(0)


def _layer_of(parameter: str) -> str:
    """The module's name; `parameters` for those that the whole model has itself."""
    module, computes_weights, _ = parameter.partition(f".{PARAMETRIZATIONS}.")
    return module if computes_weights else parameter.rpartition(".")[0] or "parameters"
