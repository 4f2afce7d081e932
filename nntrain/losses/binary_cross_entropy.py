"""Binary cross-entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.specs import LabelSet, Links, Reconstruction


@loss("binary_cross_entropy")
class BinaryCrossEntropy:
    """The negative log-likelihood of numbers from 0 to 1, each under the sigmoid of an output of its own.

    L = -sum_i sum_j t_ij log p_ij + (1 - t_ij) log(1 - p_ij), p = 1 / (1 + exp(-z))

    Outputs z are logits, targets t of the same shape: labels 0 or 1 (batch, labels), IGNORED counting nothing;
    links (batch,); or inputs from 0 to 1 that are to be put out again (batch, ...), where it is the mean over an
    example's numbers, and p is the reconstruction. In nats.
    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.2; of reconstructions: Vincent et al. 2008.
    """

    def __init__(self, targets: LabelSet | Links | Reconstruction) -> None:
        self._is_mean = isinstance(targets, Reconstruction)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits = at_least_single(outputs)
        if self._is_mean:
            return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1).mean(dim=1)
        counted = targets != IGNORED
        found = F.binary_cross_entropy_with_logits(logits, (targets * counted).to(logits), reduction="none")
        return found * counted

    def predicted(self, outputs: Tensor) -> Tensor:
        """The probabilities that the logits stand for."""
        return torch.sigmoid(outputs)
