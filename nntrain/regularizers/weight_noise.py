"""Noise on the weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nntrain.matching import matching
from nntrain.registry import regularizer
from nntrain.regularizers import Regularizer
from nntrain.settings import Positive

Place = tuple[nn.Module, str]


@regularizer("weight_noise")
class WeightNoise(Regularizer):
    """Noise on the weights in training, so that the network finds ones whose last digits do not matter.

    w = w - step(gradient of the loss at w + n), n ~ N(0, deviation^2), drawn anew for every batch

    To second order in n it adds deviation^2 / 2 times the sum of the loss's second derivatives by the weights.
    Penalties and evaluation see the weights without noise. With `accumulate` each batch has noise of its own.
    Source: Murray, Edwards, Enhanced MLP performance and fault tolerance resulting from synaptic weight noise during
    training, 1994; Graves, Practical variational inference for neural networks, 2011, section 4.

    Settings:
        deviation: the noise's standard deviation
        match: pattern on parameter names; by default weights, those of recurrent layers too, and not biases
    """

    def __init__(self, *, deviation: Positive = 0.05, match: str = "weight") -> None:
        self._deviation = deviation
        self._match = match
        self._places: list[tuple[Tensor, list[Place]]] = []

    def bind(self, model: nn.Module) -> None:
        chosen = {id(p): (p, list[Place]()) for p in matching(model, self._match)}
        for module in model.modules():
            for name, parameter in module._parameters.items():
                if id(parameter) in chosen:  # a tied weight is one parameter in several places
                    chosen[id(parameter)][1].append((module, name))
        self._places = list(chosen.values())

    @contextmanager
    def during_forward(self) -> Iterator[None]:
        """Puts w + n in the place of each w, which stays the leaf that gradients are taken by."""
        try:
            for parameter, places in self._places:
                noisy = parameter + self._deviation * torch.randn_like(parameter)
                _put(noisy, places)
            yield
        finally:
            for parameter, places in self._places:
                _put(parameter, places)


def _put(tensor: Tensor, places: list[Place]) -> None:
    for module, name in places:
        module._parameters[name] = tensor  # type: ignore[assignment]
