"""Regularizers: penalties added to the objective, noise in the forward pass, and constraints on the parameters."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import Tensor, nn

from nntrain.matching import matching, matrices

Penalty = Callable[[Sequence[Tensor]], Tensor]  # of parameters, a tensor of shape ()


class Regularizer(Protocol):
    """Bound to a model before training starts; each of its other parts does nothing unless a regularizer has it."""

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
    """A penalty on the parameters that a pattern matches.

    Settings:
        match: pattern on parameter names; by default weights and not biases
    """

    def __init__(self, penalty: Callable[[], Penalty], *, match: str = "weight$") -> None:
        self._penalty = penalty()
        self._match = match
        self._parameters: Sequence[Tensor] = ()

    def bind(self, model: nn.Module) -> None:
        self._parameters = matching(model, self._match)

    def penalty(self) -> Tensor | None:
        return self._penalty(self._parameters)


class OnMatrices(Regularizer):
    """A penalty on the matrices among the parameters that a pattern matches, a row for each unit.

    Of a filter bank, all axes but the first are columns; parameters of one axis are left out.

    Settings:
        match: pattern on parameter names; by default weights and not biases
    """

    def __init__(self, penalty: Callable[[], Penalty], *, match: str = "weight$") -> None:
        self._penalty = penalty()
        self._match = match
        self._parameters: Sequence[Tensor] = ()

    def bind(self, model: nn.Module) -> None:
        self._parameters = matrices(model, self._match)

    def penalty(self) -> Tensor | None:
        return self._penalty([p.flatten(1) for p in self._parameters])
