"""Which classes are taken for which."""

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.metrics.decisions import by_name
from nntrain.specs import Classes, Mask, Tags
from nntrain.tables import Table


class ConfusionMatrix:
    """Counts of (true class, predicted class), and what they say of each class.

    precision = right / predicted as the class; recall = right / examples of the class;
    F1 = 2 right / (predicted as the class + examples of the class), the harmonic mean of both.
    """

    def __init__(self, targets: Classes | Tags | Mask) -> None:
        self.names = targets.names

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The matrix (classes, classes) of a batch: row the true class, column the predicted one."""
        n, labelled = len(self.names), targets != IGNORED
        return torch.bincount((targets * n + predictions.argmax(dim=-1))[labelled], minlength=n * n).view(n, n)

    def tables(self, state: Tensor) -> list[Table]:
        matrix = state.cpu()
        right, taken, there = matrix.diagonal(), matrix.sum(dim=0), matrix.sum(dim=1)
        return [by_name("per class", "class", self.names, right, taken, there), self._matrix(matrix)]

    def _matrix(self, matrix: Tensor) -> Table:
        return Table(
            "confusion matrix (row: true class, column: predicted)",
            ("", *self.names),
            tuple((name, *map(str, row)) for name, row in zip(self.names, matrix.tolist(), strict=True)),
        )
