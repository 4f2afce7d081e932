"""Regularizers: penalties added to the objective, and constraints on the parameters."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from nntrain.errors import UnfitError


class Regularizer(Protocol):
    """Bound to a model's parameters by name before training starts."""

    def bind(self, parameters: Mapping[str, Tensor]) -> None:
        """Chooses the parameters it acts on; UnfitError where its pattern matches none."""

    def penalty(self) -> Tensor | None:
        """What is added to the objective, a tensor of shape (); None for nothing."""

    def project(self) -> None:
        """Changes parameters after a step, in place."""


def matching(parameters: Mapping[str, Tensor], pattern: str) -> Sequence[Tensor]:
    """The parameters whose name a pattern matches anywhere; UnfitError where there are none."""
    try:
        chosen = [p for name, p in parameters.items() if re.search(pattern, name)]
    except re.error as error:
        raise UnfitError(f"'{pattern}' is not a regular expression: {error}", "match") from None
    if not chosen:
        names = ", ".join(parameters)
        raise UnfitError(f"'{pattern}' matches no parameter; there are {names}", "match")
    return chosen
