"""Penalties on the size of weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nntrain.registry import regularizer
from nntrain.regularizers import OnWeights, Penalty
from nntrain.settings import Factor, NonNegative


@regularizer("l2", within=OnWeights)
def l2(*, weight: NonNegative = 1e-4) -> Penalty:
    """Draws weights towards zero in proportion to their size.

    penalty = weight/2 sum_w w^2, with gradient weight w

    In sgd it equals weight_decay, unless that is decoupled. In adam the gradient's running square scales it like
    the rest of the gradient, so there it is another thing than adamw's weight_decay.
    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.1.1.

    Settings:
        weight: how strong it is
    """
    return lambda parameters: torch.stack([p.square().sum() for p in parameters]).sum() * (weight / 2)


@regularizer("l1", within=OnWeights)
def l1(*, weight: NonNegative = 1e-5) -> Penalty:
    """Draws weights towards zero by the same amount whatever their size, so that many end there.

    penalty = weight sum_w |w|, with gradient weight sign(w)

    Source: Goodfellow, Bengio, Courville, Deep Learning, section 7.1.2.

    Settings:
        weight: how strong it is
    """
    return lambda parameters: torch.stack([p.abs().sum() for p in parameters]).sum() * weight


@regularizer("elastic_net", within=OnWeights)
def elastic_net(*, weight: NonNegative = 1e-4, l1_share: Factor = 0.5) -> Penalty:
    """Draws weights to zero as l1 does and keeps those that go together alike as l2 does.

    penalty = weight sum_w (a |w| + (1 - a)/2 w^2), with gradient weight (a sign(w) + (1 - a) w)

    Source: Zou, Hastie, Regularization and variable selection via the elastic net, 2005.

    Settings:
        weight: how strong it is
        l1_share: a
    """

    def penalty(parameters: Sequence[Tensor]) -> Tensor:
        sums = [l1_share * p.abs().sum() + (1 - l1_share) / 2 * p.square().sum() for p in parameters]
        return torch.stack(sums).sum() * weight

    return penalty
