"""Losses: how wrong each output is, a number for each label (or for each example), which tasks weight and add up."""

from typing import Any, Protocol

from torch import Tensor

from nntrain.batch import IGNORED


class LossFunction(Protocol):
    """What tasks know of a loss.

    It may say by `starts_at_guessing = False` that equal outputs tell nothing of an untrained network's loss, by
    `is_of_examples = True` that its numbers are of examples where there are several labels in each, and by
    `predicted(outputs)` what outputs stand for, where they are not to be taken as they are.
    """

    def __call__(self, outputs: Any, targets: Tensor) -> Tensor:
        """How wrong the outputs are, 0 where a label is IGNORED."""


def of_labels(losses: Tensor, targets: Tensor) -> Tensor:
    """Of the losses (..., classes) that each class would have, those of the labels (...), 0 where they are IGNORED.

    Targets that are distributions (..., classes) weight the classes' losses.
    """
    if targets.is_floating_point():
        return (losses * targets).sum(dim=-1)
    counted = targets != IGNORED
    return losses.gather(-1, (targets * counted).unsqueeze(-1)).squeeze(-1) * counted
