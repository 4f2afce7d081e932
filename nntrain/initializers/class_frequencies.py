"""The bias with which a network says at first what it knows without looking: how often each class is."""

import torch
from torch import Tensor, nn

from nntrain.batch import IGNORED
from nntrain.data import Split
from nntrain.initializers import fill_all
from nntrain.registry import initializer
from nntrain.specs import Classes, LabelSet, Tags, Tokens
from nntrain.weights import weights_of


@initializer("class_frequencies")
class ClassFrequencies:
    """The logarithm of each class's frequency in the training set, so that training need not learn that first.

    b_c = ln(n_c / n), for sets of labels b_c = ln(n_c / (n - n_c)); where n_c is 0 it counts as 1/2

    With weights of 0 the outputs are the frequencies, and the cross-entropy is their entropy. Of two classes, the
    difference of the biases is the log-odds. Of tags and tokens, n counts the positions that have a label.
    Source: Karpathy, A recipe for training neural networks, 2019; Lin et al., Focal loss for dense object detection,
    2017, arXiv:1708.02002, section 4.1, for rare classes.

    Settings:
        match: pattern on the names of the biases, which have a number for each class; by default the head's
    """

    def __init__(
        self, targets: Classes | LabelSet | Tags | Tokens, train: Split, *, match: str = r"^head\.bias$"
    ) -> None:
        self._match = match
        labels = torch.cat([batch.targets.flatten() for batch in train.in_order()])
        is_set, classes = isinstance(targets, LabelSet), len(targets)
        self._bias = _log_odds(labels.view(-1, classes)) if is_set else _log_frequencies(labels, classes)

    def __call__(self, model: nn.Module) -> None:
        fill_all(weights_of(model, self._match), self._fill)

    def _fill(self, parameter: Tensor) -> None:
        if parameter.shape != self._bias.shape:
            raise ValueError(f"there are {len(self._bias)} classes; match the bias of the layer that puts them out")
        parameter.copy_(self._bias)


def _log_frequencies(labels: Tensor, classes: int) -> Tensor:
    counts = torch.bincount(labels[labels != IGNORED], minlength=classes).double()
    return (counts.clamp(min=0.5) / counts.sum()).log()


def _log_odds(labels: Tensor) -> Tensor:
    """Of labels (examples, labels) that are 1, 0 or IGNORED."""
    has, has_not = ((labels == value).sum(dim=0).double().clamp(min=0.5) for value in (1, 0))
    return (has / has_not).log()
