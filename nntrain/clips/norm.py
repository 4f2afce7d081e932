"""Clipping by the norm of the whole gradient."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nntrain.clips import Clipping
from nntrain.registry import clip
from nntrain.settings import Positive


@clip("norm")
def norm(model: nn.Module, *, limit: Positive) -> Clipping:
    """Scales a gradient that is too long to a given norm; its direction stays.

    g = g min(1, limit / |g|), |g| the norm of the gradients of all parameters of an optimizer together

    Good for recurrent networks, whose gradients explode. `clip: 1.0` is short for it, with that limit.
    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013,
    arXiv:1211.5063; torch.nn.utils.clip_grad_norm_.

    Settings:
        limit: the largest norm
    """

    def scaled(parameters: Sequence[Tensor], gradients: list[Tensor], norm: Tensor) -> list[Tensor]:
        return list(torch._foreach_mul(gradients, limit / norm.clamp(min=limit)))

    return scaled
