"""Cross-entropy between classes."""

import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.specs import Classes, Tags, Tokens


@loss("cross_entropy")
class CrossEntropy:
    """The negative log-likelihood of the classes under the softmax of the outputs.

    L = -sum_i sum_c t_ic log(exp(z_ic) / sum_k exp(z_ik))

    Outputs z are logits (batch, classes) or (batch, time, classes); targets are class numbers (batch,) or
    (batch, time), where t is one-hot and IGNORED counts nothing, or distributions t (batch, classes). In nats.
    Source: Bishop, Pattern Recognition and Machine Learning, section 4.3.4.
    """

    def __init__(self, targets: Classes | Tags | Tokens) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.is_floating_point():
            return F.cross_entropy(at_least_single(outputs), targets, reduction="sum")
        logits, labels = at_least_single(outputs).flatten(0, -2), targets.flatten()
        return F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
