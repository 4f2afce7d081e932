"""The loss of boxes by how much they overlap."""

import torch
from torch import Tensor

from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.specs import Box

LEAST = 1e-7  # of an area that is divided by


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
        boxes = at_least_single(outputs)
        first, last = torch.maximum(boxes, targets)[..., :2], torch.minimum(boxes, targets)[..., 2:]
        common = _product((last - first).clamp(min=0))
        union = _area(boxes) + _area(targets) - common
        around = torch.cat((torch.minimum(boxes, targets)[..., :2], torch.maximum(boxes, targets)[..., 2:]), dim=-1)
        return 1 - common / (union + LEAST) + (_area(around) - union) / (_area(around) + LEAST)


def _area(boxes: Tensor) -> Tensor:
    """Width times height (...), less than 0 where one of them is."""
    return _product(boxes[..., 2:] - boxes[..., :2])


def _product(sides: Tensor) -> Tensor:
    """Of two (..., 2), a number each: torch.prod looks for zeros when it is derived, and waits for the device."""
    return sides[..., 0] * sides[..., 1]
