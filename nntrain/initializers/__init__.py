"""Initializers: what parameters are filled with before training, by rules on their names."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError
from nntrain.weights import Weight, matrices_of, weights_of

Fill = Callable[[Tensor], object]  # fills a tensor in place


class OnParameters:
    """A rule for parameters of any shape.

    Settings:
        match: pattern on parameter names; left out, the weights: all matrices and filters, recurrent ones too, and no
            biases, gains of normalisations or embeddings
    """

    def __init__(self, fill: Callable[[], Fill], *, match: str | None = None) -> None:
        self._fill = fill()
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        fill_all(weights_of(model, self._match), self._fill)


class OnBiases:
    """A rule for parameters of any shape that is usual for biases.

    Settings:
        match: pattern on parameter names; by default all biases
    """

    def __init__(self, fill: Callable[[], Fill], *, match: str = "bias") -> None:
        self._fill = fill()
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        fill_all(weights_of(model, self._match), self._fill)


class OnMatrices:
    """A rule for matrices and filter banks.

    Settings:
        match: pattern on parameter names, of which those of one axis are left out; left out itself, the weights: all
            matrices and filters, recurrent ones too, but no embeddings
    """

    def __init__(self, fill: Callable[[], Fill], *, match: str | None = None) -> None:
        self._fill = fill()
        self._match = match

    def __call__(self, model: nn.Module) -> None:
        fill_all(matrices_of(model, self._match), self._fill)


@torch.no_grad()
def fill_all(found: Iterable[Weight], fill: Fill) -> None:
    """Fills weights; UnfitError where a rule, by a ValueError, does not fit one's shape."""
    for weight in found:
        value = weight.now().clone(memory_format=torch.contiguous_format)
        try:
            fill(value)
        except ValueError as error:
            raise UnfitError(f"{weight.name} is of shape {tuple(value.shape)}, but {error}", "match") from None
        weight.put(value)
