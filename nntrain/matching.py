"""Parameters by patterns on their names; importing this does not import torch."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from nntrain.errors import UnfitError

if TYPE_CHECKING:
    from torch import Tensor, nn


def names_matching(pattern: str, names: Collection[str]) -> list[str]:
    """The names that a pattern matches; UnfitError where there is none."""
    try:
        found = [name for name in names if re.search(pattern, name)]
    except re.error as error:
        raise UnfitError(f"'{pattern}' is not a regular expression: {error}", "match") from None
    if not found:
        raise UnfitError(f"'{pattern}' matches no parameter; there are {', '.join(names)}", "match")
    return found


def matching(model: "nn.Module", pattern: str) -> "list[Tensor]":
    """The parameters whose names a pattern matches; UnfitError where there is none."""
    parameters = dict(model.named_parameters())
    return [parameters[name] for name in names_matching(pattern, parameters)]
