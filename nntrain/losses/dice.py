"""The dice loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED, one_hot
from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.settings import Positive
from nntrain.specs import LabelSet, Mask, Tags


@loss("dice")
class Dice:
    """One less the overlap of what is found and what is there, so that rare classes and labels count like others.

    L = sum_i 1 - mean_c (2 sum_t p_itc y_itc + s) / (sum_t p_itc + sum_t y_itc + s)

    Of tags, p is the softmax of the outputs (batch, time, classes), and t runs over the positions that have a label;
    of masks, of the outputs (batch, height, width, classes), and t runs over the pixels;
    of sets of labels, p is the sigmoid of the outputs (batch, labels), t runs over the labels, and there is no c.
    It is no sum over labels: each example's labels are taken together, and those of an example may not be divided
    between batches. Examples may be, since each has an overlap of its own.
    Source: Milletari, Navab, Ahmadi, V-Net, 2016, arXiv:1606.04797; Dice 1945.

    Settings:
        smooth: s, which keeps the overlap of nothing with nothing at 1
    """

    is_of_examples = True

    def __init__(self, targets: Tags | Mask | LabelSet, *, smooth: Positive = 1.0) -> None:
        self.smooth = smooth
        self._is_binary = isinstance(targets, LabelSet)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        z = at_least_single(outputs)
        found, there, counted = self._sets(z, targets)
        found, there = (part.flatten(1, -2) * counted.flatten(1, -2) for part in (found, there))
        overlap, both = (found * there).sum(dim=1), found.sum(dim=1) + there.sum(dim=1)
        return 1 - ((2 * overlap + self.smooth) / (both + self.smooth)).mean(dim=-1)

    def _sets(self, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How much each is found, whether it is there, whether that counts: (batch, ..., classes), or 1 at the end."""
        if targets.is_floating_point():
            return F.softmax(z, dim=-1), targets, targets.sum(dim=-1, keepdim=True)
        counted = (targets != IGNORED).unsqueeze(-1)
        if self._is_binary:
            return torch.sigmoid(z).unsqueeze(-1), targets.unsqueeze(-1).to(z), counted
        return F.softmax(z, dim=-1), one_hot(targets, z.shape[-1], z.dtype), counted
