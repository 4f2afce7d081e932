"""The loss of labels, which tasks with labels share: weighted, smoothed, and without those that are IGNORED."""

from typing import Any, Literal

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch, one_hot
from nntrain.errors import UnfitError
from nntrain.loss import Counts, Loss, Term, examples_of, weighted
from nntrain.losses import LossFunction
from nntrain.settings import NonNegative
from nntrain.specs import Classes, Labels, LabelSet, Mask, Tags

ClassWeights = Literal["balanced"] | list[NonNegative] | None


class LabelLoss:
    """A loss between outputs and labels, each of one of several classes.

    L = sum_i w_i loss(z_i, t_i) / sum_i w_i, with w_i the weight of the label's class times that of the example

    With label smoothing e the training targets are t = (1 - e) onehot(y) + e / classes. Labels that are IGNORED
    count nothing.
    """

    def __init__(self, loss: Any, targets: Labels, class_weights: Tensor | None = None, smoothing: float = 0.0) -> None:
        self._loss: LossFunction = loss(targets)
        self._classes = len(targets)
        self._is_of_examples = getattr(self._loss, "is_of_examples", False)
        self._is_one_each = not targets.per_position
        self._is_of_sets = isinstance(targets, LabelSet)
        self._class_weights = class_weights
        self._smoothing = smoothing
        if self._is_of_examples and class_weights is not None:
            raise UnfitError("this loss takes all labels of an example together; leave it out", "class_weights")

    def training(self, outputs: Tensor, batch: Batch) -> Loss:
        """The loss that is minimised."""
        smoothed = getattr(self._loss, "smoothed", None)  # faster than distributions, where classes are many
        if smoothed is not None and not batch.targets.is_floating_point():
            return self._total(smoothed(outputs, batch.targets, self._smoothing), batch)
        targets = self._smoothed(batch.targets)
        if self._is_of_sets or not targets.is_floating_point():
            return self._total(self._loss(outputs, targets), batch)
        try:
            return self._total(self._loss(outputs, targets), batch)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            why = "this loss fails on distributions of classes, which data.mix and task.label_smoothing make of labels"
            unfit = UnfitError(f"{why} ({error}); leave these out, or take another loss", "task.loss")
            unfit.locate(())
            raise unfit from error

    def measured(self, outputs: Tensor, batch: Batch) -> Loss:
        """The loss against the labels themselves."""
        return self._total(self._loss(outputs, batch.targets), batch)

    def counts(self, batch: Batch) -> Counts:
        weights = self._weights(batch)
        if self._is_of_examples or (self._is_one_each and weights is None):
            return {"loss": examples_of(batch)}
        return {"loss": weighted(_counted(batch.targets), weights)}

    def of_guessing(self) -> float | None:
        """The loss of equal outputs, which an untrained network's are near: ln(classes) for cross-entropy.

        None for a loss that says by `starts_at_guessing` that this tells little of it.
        """
        if self._is_of_examples or not getattr(self._loss, "starts_at_guessing", True):
            return None
        return float(self._loss(torch.zeros(1, self._classes), torch.zeros(1, dtype=torch.long)))

    def _total(self, values: Tensor, batch: Batch) -> Loss:
        return Loss(loss=Term(weighted(values, self._weights(batch))))

    def _weights(self, batch: Batch) -> Tensor | None:
        """What each label counts, or each example; None where all count 1."""
        if self._class_weights is None:
            return batch.weights
        labels = batch.targets
        table = self._class_weights = self._class_weights.to(labels.device)  # for the steps to come too
        own = labels @ table if labels.is_floating_point() else table[labels.clamp(min=0)]
        return own if batch.weights is None else own * batch.weights.view(-1, *(1 for _ in own.shape[1:]))

    def _smoothed(self, labels: Tensor) -> Tensor:
        if self._smoothing == 0:
            return labels
        if not labels.is_floating_point():
            shares = one_hot(labels, self._classes, torch.get_default_dtype())
            return self._smoothed(shares) * (labels != IGNORED).unsqueeze(-1)
        return labels * (1 - self._smoothing) + self._smoothing / self._classes


def class_weights(setting: ClassWeights, targets: Classes | Tags | Mask) -> Tensor | None:
    """The weight of each class; balanced are n / (classes n_c), n_c the training set's labels of the class.

    Source: King, Zeng, Logistic regression in rare events data, 2001.
    """
    if setting is None:
        return None
    if setting == "balanced":
        check_counted(targets, "class_weights")
        counts = torch.tensor(targets.counts, dtype=torch.get_default_dtype())
        return counts.sum() / (len(counts) * counts.clamp(min=1))
    if len(setting) != len(targets) or not any(setting):
        found = f"{len(setting)} weights" if any(setting) else "zeros alone"
        names = ", ".join(targets.names)
        raise UnfitError(
            f"expected a weight for each of {len(targets)} classes ({names}); found {found}", "class_weights"
        )
    return torch.tensor(setting)


def check_counted(targets: Classes | Tags | Mask | LabelSet, setting: str) -> None:
    """UnfitError where the data does not say how often each class occurs."""
    if not targets.counts:
        raise UnfitError("this data does not count its classes; give a weight for each", setting)


def _counted(labels: Tensor) -> Tensor:
    """1 for every label that is not IGNORED; of distributions none is."""
    return labels.new_ones(labels.shape[:-1]) if labels.is_floating_point() else labels != IGNORED
