"""The loss of boxes by how much they overlap."""

from torch import Tensor

from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.specs import Box


@loss("giou")
class GeneralizedIou:
    """One less the generalized intersection over union, which also tells boxes apart that do not touch.

    L = sum_i 1 - iou_i + |C_i less (A_i or B_i)| / |C_i|,  C the smallest box around both

    Outputs A and targets B are boxes (batch, 4): left, top, right, bottom. From 0 to 2, whatever the boxes' sizes.
    Source: Rezatofighi et al., Generalized intersection over union, 2019, arXiv:1902.09630.
    """

    def __init__(self, targets: Box) -> None:
        pass

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        from torchvision.ops import generalized_box_iou_loss

        return generalized_box_iou_loss(at_least_single(outputs), targets, reduction="none")
