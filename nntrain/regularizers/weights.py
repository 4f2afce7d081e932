"""Penalties on the size of weights."""

import torch

from nntrain.registry import regularizer
from nntrain.regularizers import OnWeights, Penalty
from nntrain.settings import NonNegative


@regularizer("l2", within=OnWeights)
def l2(*, weight: NonNegative = 1e-4) -> Penalty:
    """Draws weights towards zero in proportion to their size.

    penalty = weight/2 sum_w w^2, with gradient weight w

    In plain SGD it equals weight_decay. In adam the gradient's running square scales it like the rest of the
    gradient, so there it is another thing than adamw's weight_decay.
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
