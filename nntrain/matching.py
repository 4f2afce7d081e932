"""Parameters by patterns on their names."""

import re

from torch import Tensor, nn

from nntrain.errors import UnfitError


def matching(model: nn.Module, pattern: str) -> list[Tensor]:
    """The parameters whose names a pattern matches; UnfitError where there is none."""
    parameters = dict(model.named_parameters())
    try:
        found: list[Tensor] = [p for name, p in parameters.items() if re.search(pattern, name)]
    except re.error as error:
        raise UnfitError(f"'{pattern}' is not a regular expression: {error}", "match") from None
    if not found:
        raise UnfitError(f"'{pattern}' matches no parameter; there are {', '.join(parameters)}", "match")
    return found


def matrices(model: nn.Module, pattern: str) -> list[Tensor]:
    """Those of two or more axes; UnfitError where there is none."""
    found: list[Tensor] = [p for p in matching(model, pattern) if p.dim() >= 2]
    if not found:
        names = ", ".join(name for name, p in model.named_parameters() if p.dim() >= 2)
        raise UnfitError(f"'{pattern}' matches no matrix; there are {names}", "match")
    return found
