"""Penalties on the size of weights."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nntrain.registry import regularizer
from nntrain.regularizers import matching
from nntrain.settings import NonNegative


@regularizer("l2")
class L2:
    """Draws weights towards zero in proportion to their size.

    penalty = weight/2 sum_w w^2, with gradient weight w

    In plain SGD it equals weight_decay. In adam the gradient's running square scales it like the rest of the
    gradient, so there it is another thing than adamw's weight_decay.
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.1.1.

    Settings:
        weight: how strong it is
        match: pattern on parameter names; by default weights and not biases
    """

    def __init__(self, *, weight: NonNegative = 1e-4, match: str = "weight$") -> None:
        self.weight = weight
        self.match = match
        self._parameters: Sequence[Tensor] = ()

    def bind(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = matching(parameters, self.match)

    def penalty(self) -> Tensor | None:
        return torch.stack([p.square().sum() for p in self._parameters]).sum() * (self.weight / 2)

    def project(self) -> None:
        pass


@regularizer("l1")
class L1:
    """Draws weights towards zero by the same amount whatever their size, so that many end there.

    penalty = weight sum_w |w|, with gradient weight sign(w)

    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.1.2.

    Settings:
        weight: how strong it is
        match: pattern on parameter names; by default weights and not biases
    """

    def __init__(self, *, weight: NonNegative = 1e-5, match: str = "weight$") -> None:
        self.weight = weight
        self.match = match
        self._parameters: Sequence[Tensor] = ()

    def bind(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = matching(parameters, self.match)

    def penalty(self) -> Tensor | None:
        return torch.stack([p.abs().sum() for p in self._parameters]).sum() * self.weight

    def project(self) -> None:
        pass
