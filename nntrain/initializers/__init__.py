"""Initializers: what parameters are filled with before training, by rules on their names."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.matching import matching, matrices

Fill = Callable[[Tensor], object]  # fills a parameter in place


class OnParameters:
    """A rule for the parameters that a pattern matches.

    Settings:
        match: pattern on parameter names
    """

    def __init__(self, fill: Callable[[], Fill], *, match: str = "weight$") -> None:
        self._fill = fill()
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        fill_all(matching(model, self._match), self._fill, self._match)


class OnMatrices:
    """A rule for the matrices and filter banks among the parameters that a pattern matches; vectors are left out.

    Settings:
        match: pattern on parameter names; by default weights and not biases
    """

    def __init__(self, fill: Callable[[], Fill], *, match: str = "weight$") -> None:
        self._fill = fill()
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        fill_all(matrices(model, self._match), self._fill, self._match)


@torch.no_grad()
def fill_all(parameters: Iterable[Tensor], fill: Fill, pattern: str) -> None:
    """Fills parameters; UnfitError where a rule, by a ValueError, does not fit one's shape."""
    for parameter in parameters:
        try:
            fill(parameter)
        except ValueError as error:
            shape = tuple(parameter.shape)
            raise UnfitError(f"'{pattern}' matches a parameter of shape {shape}, but {error}", "match") from None
