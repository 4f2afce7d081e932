"""Clipping of single numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nntrain.clips import Clipping
from nntrain.registry import clip
from nntrain.settings import Positive


@clip("value")
def value(model: nn.Module, *, limit: Positive) -> Clipping:
    """Limits each number of the gradient by itself; its direction changes.

    g_i = max(-limit, min(limit, g_i))

    Source: Mikolov, Statistical language models based on neural networks, PhD thesis, 2012;
    torch.nn.utils.clip_grad_value_.

    Settings:
        limit: the largest size of a number
    """

    def limited(parameters: Sequence[Tensor], gradients: list[Tensor], norm: Tensor) -> list[Tensor]:
        return list(torch._foreach_clamp_max(torch._foreach_clamp_min(gradients, -limit), limit))

    return limited
