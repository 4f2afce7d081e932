"""Adaptive gradient clipping."""

from collections.abc import Sequence

from torch import Tensor, nn

from nntrain.clips import Clipping
from nntrain.matching import matching
from nntrain.registry import clip
from nntrain.settings import Positive


@clip("adaptive")
def adaptive(
    model: nn.Module, *, ratio: Positive = 0.01, eps: Positive = 1e-3, match: str = r"^(?!head\.)"
) -> Clipping:
    """Limits the gradient of each unit in proportion to the norm of its weights.

    g_i = g_i min(1, ratio max(|w_i|, eps) / |g_i|), w_i the weights into unit i: a row of a matrix, or a filter

    Parameters of one axis, such as biases, are one unit. Lets networks without normalisation train with large
    batches and rates; the output layer is better left out.
    Source: Brock, De, Smith, Simonyan, High-performance large-scale image recognition without normalization, 2021,
    arXiv:2102.06171, section 4.1.

    Settings:
        ratio: how long a unit's gradient may be for weights of norm 1
        eps: the norm that smaller weights count as, so that zeros can change
        match: pattern on parameter names; by default all but the head's
    """
    chosen = matching(model, match)
    numbers = set(map(id, chosen))

    def limited(parameters: Sequence[Tensor], gradients: list[Tensor], norm: Tensor) -> list[Tensor]:
        pairs = zip(parameters, gradients, strict=True)
        return [_limited(p.detach(), g, ratio, eps) if id(p) in numbers else g for p, g in pairs]

    return limited


def _limited(parameter: Tensor, gradient: Tensor, ratio: float, eps: float) -> Tensor:
    largest = _unit_norms(parameter).clamp(min=eps) * ratio
    norms = _unit_norms(gradient)
    return gradient * (largest / norms.maximum(largest))


def _unit_norms(tensor: Tensor) -> Tensor:
    """The norm of each unit, shaped so that it spreads over the unit's numbers."""
    if tensor.dim() <= 1:
        return tensor.norm()
    return tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.dim() - 1))
