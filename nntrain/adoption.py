"""Weights of a trained network taken over, by name, into another."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nntrain.errors import UnfitError

MOST_LISTED = 8


class Adopted(NamedTuple):
    """Names of the model's tensors: those that were taken over, and why the others that were asked for were not."""

    taken: list[str]
    left: dict[str, str]

    def __str__(self) -> str:
        rest = f", not {_listed(self.left)}" if self.left else ""
        return f"{len(self.taken)} of {len(self.taken) + len(self.left)} tensors taken{rest}"


def adopt(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    match: str = ".",
    strict: bool = True,
    rename: Mapping[str, str] | None = None,
) -> Adopted:
    """Copies tensors into the parameters and buffers of the same names, of those that `match` matches.

    `tensors` are another network's by name; `rename` maps regular expressions to what replaces them in these names,
    one after the other. `strict` refuses, before anything is changed, a model of which something that is matched is
    not there, or of another shape; else what fits is taken. UnfitError, with the setting, also where a pattern is not
    one or matches nothing, and where nothing fits.
    """
    own = {name: t for name, t in model.state_dict().items() if isinstance(t, Tensor)}
    wanted = [name for name in own if _pattern(match, "match").search(name)]
    if not wanted:
        raise UnfitError(f"'{match}' matches no parameter; there are {', '.join(own)}", "match")
    given = _renamed(tensors, rename or {})
    left = {name: why for name in wanted if (why := _unfit(own[name], given.get(name)))}
    taken = [name for name in wanted if name not in left]
    if left and strict:
        raise UnfitError(f"not all of it fits: {_listed(left)}; {_remedy(taken)}", "match")
    if not taken:
        raise UnfitError(f"nothing of it fits: {_listed(left)}; it holds {', '.join(given)}", "match")
    with torch.no_grad():
        for name in taken:
            own[name].copy_(given[name])
    return Adopted(taken, left)


def _renamed(tensors: Mapping[str, Tensor], rename: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors by their new names; one that gets a name goes before one that has had it."""
    names = {name: name for name in tensors}
    for expression, replacement in rename.items():
        pattern = _pattern(expression, "rename")
        if not any(pattern.search(name) for name in names.values()):
            raise UnfitError(f"'{expression}' matches none of its names: {', '.join(names.values())}", "rename")
        try:
            names = {name: pattern.sub(replacement, new) for name, new in names.items()}
        except (re.error, IndexError) as error:
            raise UnfitError(f"'{replacement}' cannot replace '{expression}': {error}", "rename") from None
    given = [new for name, new in names.items() if new != name]
    twice = sorted({new for new in given if given.count(new) > 1})
    if twice:
        raise UnfitError(f"two of its tensors would be called {', '.join(twice)}", "rename")
    order = sorted(names.items(), key=lambda pair: pair[0] != pair[1])
    return {new: tensors[name] for name, new in order}


def _pattern(expression: str, setting: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise UnfitError(f"'{expression}' is not a regular expression: {error}", setting) from None


def _unfit(own: Tensor, given: Tensor | None) -> str:
    """Why a tensor cannot be taken; nothing where it can."""
    if given is None:
        return "missing there"
    return "" if given.shape == own.shape else f"{_shape(given)} there, {_shape(own)} here"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


def _listed(left: Mapping[str, str]) -> str:
    parts = [f"{name} ({why})" for name, why in left.items()]
    more = f" and {len(parts) - MOST_LISTED} more" if len(parts) > MOST_LISTED else ""
    return ", ".join(parts[:MOST_LISTED]) + more


def _remedy(taken: list[str]) -> str:
    return "strict: false takes what fits" if taken else "match chooses names here, rename changes names there"
