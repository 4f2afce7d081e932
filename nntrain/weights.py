"""The tensors that layers compute with, as regularizers and initializers see them: a row for each unit."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils.parametrize import is_parametrized

from nntrain.errors import UnfitError
from nntrain.layers import PARAMETRIZATIONS
from nntrain.matching import names_matching


class Weight(NamedTuple):
    """A parameter of a layer; or, with weight normalisation, what the layer makes of two."""

    name: str
    layer: nn.Module
    attribute: str

    @property
    def tensor(self) -> Tensor:
        found: Tensor = getattr(self.layer, self.attribute)
        return found

    def now(self) -> Tensor:
        """As it is now, (units, inputs, ...) where it has two axes or more."""
        return self._with_units_first(self.tensor)

    @torch.no_grad()
    def put(self, value: Tensor) -> None:
        """Lets `now` be that; before there is an optimizer, since parameters may move to other memory."""
        turned = self._with_units_first(value)
        if is_parametrized(self.layer, self.attribute):
            setattr(self.layer, self.attribute, turned)  # which finds the parameters that give it
        else:
            self.tensor.copy_(turned)

    def maker(self) -> nn.Module | None:
        """What makes it in every pass; None of a parameter."""
        is_made = is_parametrized(self.layer, self.attribute)
        return self.layer.get_submodule(f"{PARAMETRIZATIONS}.{self.attribute}") if is_made else None

    def as_long(self) -> Tensor:
        """A parameter whose rows are as long as the weight's, so that shortening its rows shortens these."""
        maker = self.maker()
        if maker is not None and not hasattr(maker, "original1"):
            raise UnfitError(f"{self.name} is made of other parameters, whose lengths are not its own", "match")
        return self.now() if maker is None else maker.get_parameter("original0")  # weight_norm's lengths

    def _with_units_first(self, tensor: Tensor) -> Tensor:
        """Transposed convolutions have the axes of units and inputs the other way round."""
        is_turned = isinstance(self.layer, _ConvTransposeNd) and tensor.dim() > 1
        return tensor.transpose(0, 1) if is_turned else tensor

    def is_matrix(self) -> bool:
        """Also of filters; of vectors that stand beside each other, as in an embedding, it is none."""
        return self.tensor.dim() > 1 and not isinstance(self.layer, nn.Embedding)


def weights_of(model: nn.Module, match: str | None = None) -> list[Weight]:
    """The parameters whose names a pattern matches; without one those that are weights, and not biases.

    Weights are the matrices and filter banks but for the vectors of embeddings: recurrent ones are among them, the
    gains of normalisations are not, and of weight normalisation it is what the layer computes with. UnfitError where
    there is none.
    """
    parameters = [_weight(model, name) for name, _ in model.named_parameters()]
    if match is not None:
        chosen = set(names_matching(match, [weight.name for weight in parameters]))
        return [weight for weight in parameters if weight.name in chosen]
    found = [weight for weight in _as_used(model, parameters) if weight.is_matrix()]
    if not found:
        names = ", ".join(weight.name for weight in parameters)
        raise UnfitError(f"no parameter is a weight; there are {names}", "match")
    return found


def matrices_of(model: nn.Module, match: str | None = None) -> list[Weight]:
    """Those of `weights_of` that have two or more axes; UnfitError where there is none."""
    found = [weight for weight in weights_of(model, match) if weight.tensor.dim() >= 2]
    if not found:
        names = ", ".join(name for name, p in model.named_parameters() if p.dim() >= 2)
        raise UnfitError(f"'{match}' matches no matrix; there are {names}", "match")
    return found


def _weight(model: nn.Module, name: str) -> Weight:
    path, _, attribute = name.rpartition(".")
    return Weight(name, model.get_submodule(path), attribute)


def _as_used(model: nn.Module, parameters: list[Weight]) -> Iterator[Weight]:
    """The parameters, with what is made of them in the place of those that are made into others."""
    return (_weight(model, name) for name in dict.fromkeys(_used_as(weight.name) for weight in parameters))


def _used_as(name: str) -> str:
    """`layer.weight` of layer.parametrizations.weight.original0."""
    layer, is_part, rest = name.rpartition(f"{PARAMETRIZATIONS}.")
    return layer + rest.rpartition(".")[0] if is_part else name
