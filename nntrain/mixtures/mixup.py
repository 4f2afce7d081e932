"""Examples between two others."""

from typing import Any

import torch
from torch import Tensor

from nntrain.batch import Batch, Sequences
from nntrain.mixtures import Concentration, beta, mixed, partners
from nntrain.registry import mixture
from nntrain.specs import Classes, Image, Series, Values, Vector, Video


@mixture("mixup")
class Mixup:
    """Mixes each example with another of its batch, targets as well, so that outputs go straight between examples.

    x' = l x + (1 - l) x_p, t' = l t + (1 - l) t_p,  l ~ Beta(alpha, alpha), one for the batch, p a permutation

    Of classes, t is one-hot; weights of examples are mixed like targets. A mixed series is as long as the longer
    one. Small alphas leave most batches nearly as they are; at alpha 1 every l is equally likely.
    Source: Zhang, Cisse, Dauphin, Lopez-Paz, mixup: beyond empirical risk minimization, 2018, arXiv:1710.09412.

    Settings:
        alpha: how strongly examples are mixed
    """

    def __init__(
        self, inputs: Vector | Image | Video | Series, targets: Classes | Values, *, alpha: Concentration = 0.2
    ) -> None:
        self._targets = targets
        self._alpha = alpha

    def __call__(self, batch: Batch) -> Batch:
        share, others = beta(self._alpha, batch.targets.device), partners(batch)
        return mixed(batch, _between(batch.inputs, others, share), others, share, self._targets)


def _between(inputs: Any, others: Tensor, share: Tensor) -> Any:
    if isinstance(inputs, Sequences):
        lengths = None if inputs.lengths is None else torch.maximum(inputs.lengths, inputs.lengths[others])
        return Sequences(_between(inputs.values, others, share), lengths)
    return torch.lerp(inputs[others], inputs, share.to(inputs))
