"""The focal loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.device import at_least_single
from nntrain.losses import of_labels
from nntrain.registry import loss
from nntrain.settings import NonNegative
from nntrain.specs import Labels, LabelSet


@loss("focal")
class Focal:
    """Cross-entropy in which what is right already counts little, so that the many easy examples do not drown the few.

    L = -sum_i (1 - p_i)^gamma log p_i, p_i the probability of the right answer

    Of classes p is the softmax of the outputs; of labels, each of which an example has or has not, it is sigmoid(z)
    or 1 - sigmoid(z). With gamma 0 it is (binary) cross-entropy; the paper's alpha is class_weights, or
    positive_weights. Outputs and targets as for cross_entropy, or binary_cross_entropy. In nats.
    Source: Lin, Goyal, Girshick, He, Dollar, Focal loss for dense object detection, 2017, arXiv:1708.02002.

    Settings:
        gamma: how much less the examples count that are right already
    """

    def __init__(self, targets: Labels | LabelSet, *, gamma: NonNegative = 2.0) -> None:
        self.gamma = gamma
        self._is_binary = isinstance(targets, LabelSet)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        z = at_least_single(outputs)
        return self._binary(z, targets) if self._is_binary else of_labels(self._of(F.log_softmax(z, dim=-1)), targets)

    def _binary(self, logits: Tensor, targets: Tensor) -> Tensor:
        right = torch.where(targets == 1, logits, -logits)
        return self._of(F.logsigmoid(right)) * (targets != IGNORED)

    def _of(self, log_p: Tensor) -> Tensor:
        """The smallest number keeps the slope finite where an answer is right beyond doubt."""
        wrong = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(wrong**self.gamma) * log_p
