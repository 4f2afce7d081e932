"""Cross-entropy and its relatives: how surprising the right class is under the softmax of the outputs."""

import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.device import at_least_single
from nntrain.losses import of_labels
from nntrain.registry import loss
from nntrain.specs import Labels


@loss("cross_entropy")
class CrossEntropy:
    """The negative log-likelihood of the classes under the softmax of the outputs.

    L = -sum_i sum_c t_ic log(exp(z_ic) / sum_k exp(z_ik))

    Outputs z are logits (batch, classes), (batch, time, classes) or (batch, height, width, classes); targets are class
    numbers (batch[, ...]), where t is one-hot and IGNORED counts nothing, or distributions t (batch, [...,] classes).
    In nats.
    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.4.
    """

    def __init__(self, targets: Labels) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits = at_least_single(outputs)
        if targets.is_floating_point():
            return of_labels(-F.log_softmax(logits, dim=-1), targets)
        return self.smoothed(logits, targets, 0.0)

    def smoothed(self, outputs: Tensor, labels: Tensor, share: float) -> Tensor:
        """The loss of labels of whose weight a share is spread over all classes, without writing that down for each."""
        logits = at_least_single(outputs).flatten(0, -2)
        found = F.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, reduction="none", label_smoothing=share)
        return found.view_as(labels)


@loss("kl")
class KullbackLeibler:
    """The Kullback-Leibler divergence of the softmax of the outputs from the targets' distributions.

    L = sum_i sum_c t_ic (log t_ic - log p_ic), p_i = softmax(z_i)

    Cross-entropy less the entropy of the targets, so that 0 is perfect also for targets that are not sure: smoothed
    or mixed labels, a teacher's answers. Outputs and targets as for cross_entropy; in nats.
    Source: Kullback, Leibler, On information and sufficiency, 1951.
    """

    def __init__(self, targets: Labels) -> None:
        self._cross_entropy = CrossEntropy(targets)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        found = self._cross_entropy(outputs, targets)
        return found + targets.xlogy(targets).sum(dim=-1) if targets.is_floating_point() else found
