"""Regularizers: penalties added to the objective, noise in the forward pass, and constraints on the parameters."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, Protocol

from torch import Tensor, nn

from nntrain.weights import Weight, matrices_of, weights_of

Penalty = Callable[[Sequence[Tensor]], Tensor]  # of parameters, a tensor of shape ()


class Regularizer(Protocol):
    """Bound to a model before training starts; each of its other parts does nothing unless a regularizer has it.

    One whose `during_forward` puts other weights in place says so: `changes_weights = True`.
    """

    changes_weights: ClassVar[bool] = False

    def bind(self, model: nn.Module) -> None:
        """Chooses what it acts on; UnfitError where there is no such thing."""

    def during_forward(self) -> AbstractContextManager[object]:
        """Entered for the forward pass of each micro-batch in training."""
        return nullcontext()

    def penalty(self) -> Tensor | None:
        """What is added to the objective, a tensor of shape (); None for nothing.

        Asked after the forward pass of each micro-batch, and weighted by its share of the examples.
        """
        return None

    def project(self) -> None:
        """Changes parameters after a step, in place."""
        return


class OnWeights(Regularizer):
    """A penalty on parameters.

    Settings:
        match: pattern on parameter names; left out, the weights: all matrices and filters, recurrent ones too, and no
            biases, gains of normalisations or embeddings
    """

    def __init__(self, penalty: Callable[[], Penalty], *, match: str | None = None) -> None:
        self._penalty = penalty()
        self._match = match
        self._weights: Sequence[Weight] = ()

    def bind(self, model: nn.Module) -> None:
        self._weights = weights_of(model, self._match)

    def penalty(self) -> Tensor | None:
        return self._penalty([weight.now() for weight in self._weights])


class OnMatrices(Regularizer):
    """A penalty on matrices, a row for each unit, which of a filter bank holds all of the unit's filter.

    Settings:
        match: pattern on parameter names, of which those of one axis are left out; left out itself, the weights: all
            matrices and filters, recurrent ones too, but no embeddings
    """

    def __init__(self, penalty: Callable[[], Penalty], *, match: str | None = None) -> None:
        self._penalty = penalty()
        self._match = match
        self._weights: Sequence[Weight] = ()

    def bind(self, model: nn.Module) -> None:
        self._weights = matrices_of(model, self._match)

    def penalty(self) -> Tensor | None:
        return self._penalty([weight.now().flatten(1) for weight in self._weights])
