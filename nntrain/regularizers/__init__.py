"""Regularizers: penalties added to the objective, and constraints on the parameters."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from nntrain.errors import UnfitError

Penalty = Callable[[Sequence[Tensor]], Tensor]  # of parameters, a tensor of shape ()


class Regularizer(Protocol):
    """Bound to a model's parameters by name before training starts."""

    def bind(self, parameters: Mapping[str, Tensor]) -> None:
        """Chooses the parameters it acts on; UnfitError where its pattern matches none."""

    def penalty(self) -> Tensor | None:
        """What is added to the objective, a tensor of shape (); None for nothing."""

    def project(self) -> None:
        """Changes parameters after a step, in place."""


class OnWeights:
    """A penalty on the parameters that a pattern matches.

    Settings:
        match: pattern on parameter names; by default weights and not biases
    """

    def __init__(self, penalty: Callable[[], Penalty], *, match: str = "weight$") -> None:
        self._penalty = penalty()
        self._match = match
        self._parameters: Sequence[Tensor] = ()

    def bind(self, parameters: Mapping[str, Tensor]) -> None:
        try:
            self._parameters = [p for name, p in parameters.items() if re.search(self._match, name)]
        except re.error as error:
            raise UnfitError(f"'{self._match}' is not a regular expression: {error}", "match") from None
        if not self._parameters:
            raise UnfitError(f"'{self._match}' matches no parameter; there are {', '.join(parameters)}", "match")

    def penalty(self) -> Tensor | None:
        return self._penalty(self._parameters)

    def project(self) -> None:
        """A penalty leaves the parameters as the step made them."""
