"""Noise on the weights: other ones in every forward pass of training."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nntrain.registry import regularizer
from nntrain.regularizers import Regularizer
from nntrain.settings import Positive, Share
from nntrain.weights import weights_of

Noise = Callable[[Tensor], Tensor]  # from a parameter to what stands in its place
Place = tuple[nn.Module, str]


class InForward(Regularizer):
    """Noise on parameters, drawn anew for every batch, in training.

    Settings:
        match: pattern on parameter names; left out, the weights: all matrices and filters, recurrent ones too, and no
            biases, gains of normalisations or embeddings
    """

    changes_weights = True

    def __init__(self, noise: Callable[[], Noise], *, match: str | None = None) -> None:
        self._noise = noise()
        self._match = match
        self._places: list[tuple[Tensor, list[Place]]] = []
        self._makers: list[nn.Module] = []  # of weights that are no parameters

    def bind(self, model: nn.Module) -> None:
        found = weights_of(model, self._match)
        self._makers = [maker for weight in found if (maker := weight.maker()) is not None]
        chosen = {id(p): (p, list[Place]()) for weight in found if isinstance(p := weight.tensor, nn.Parameter)}
        for module in model.modules():
            for name, parameter in module._parameters.items():
                if id(parameter) in chosen:  # a tied weight is one parameter in several places
                    chosen[id(parameter)][1].append((module, name))
        self._places = list(chosen.values())

    @contextmanager
    def during_forward(self) -> Iterator[None]:
        """Puts what noise makes of each parameter in its place; it stays the leaf that gradients are taken by."""
        with ExitStack() as hooks:
            for maker in self._makers:
                hooks.callback(maker.register_forward_hook(lambda *made: self._noise(made[-1])).remove)
            with self._in_place():
                yield

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        try:
            for _, places in self._places:
                _put(self._noise(_now(places)), places)
            yield
        finally:
            for parameter, places in self._places:
                _put(parameter, places)


def _now(places: list[Place]) -> Tensor:
    """What stands there, which other noise may have put there."""
    module, name = places[0]
    tensor = module._parameters[name]
    assert tensor is not None
    return tensor


def _put(tensor: Tensor, places: list[Place]) -> None:
    for module, name in places:
        module._parameters[name] = tensor  # type: ignore[assignment]


@regularizer("weight_noise", within=InForward)
def weight_noise(*, deviation: Positive = 0.05) -> Noise:
    """Noise added to the weights in training, so that the network finds ones whose last digits do not matter.

    w = w - step(gradient of the loss at w + n), n ~ N(0, deviation^2), drawn anew for every batch

    To second order in n it adds deviation^2 / 2 times the sum of the loss's second derivatives by the weights.
    Penalties and evaluation see the weights without noise. With `accumulate` each batch has noise of its own.
    Source: Murray, Edwards, Enhanced MLP performance and fault tolerance resulting from synaptic weight noise during
    training, 1994; Graves, Practical variational inference for neural networks, 2011, section 4.

    Settings:
        deviation: the noise's standard deviation
    """
    return lambda weight: weight + deviation * torch.randn_like(weight)


@regularizer("drop_connect", within=InForward)
def drop_connect(*, share: Share = 0.5) -> Noise:
    """Connections that are cut at random in training, where dropout silences whole units.

    w' = m w / (1 - share), m 0 or 1 for each weight, drawn anew for every batch

    With match: weight_hh it is the weight-dropped LSTM's: a state sees others through the same connections at all
    steps, and torch's own kernels are used. Penalties and evaluation see all weights.
    Source: Wan et al., Regularization of neural networks using DropConnect, 2013 (which draws for every example);
    Merity, Keskar, Socher, Regularizing and optimizing LSTM language models, 2018, arXiv:1708.02182.

    Settings:
        share: how many of the weights are set to zero
    """
    return lambda weight: F.dropout(weight, share)
