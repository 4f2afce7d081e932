"""Which classes are taken for which."""

import math

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.specs import Classes, Tags
from nntrain.tables import Table


class ConfusionMatrix:
    """Counts of (true class, predicted class), and what they say of each class.

    precision = right / predicted as the class; recall = right / examples of the class;
    F1 = 2 right / (predicted as the class + examples of the class), the harmonic mean of both.
    """

    def __init__(self, targets: Classes | Tags) -> None:
        self.names = targets.names

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The matrix (classes, classes) of a batch: row the true class, column the predicted one."""
        n, labelled = len(self.names), targets != IGNORED
        return torch.bincount((targets * n + predictions.argmax(dim=-1))[labelled], minlength=n * n).view(n, n)

    def tables(self, state: Tensor) -> list[Table]:
        return [self._per_class(state.cpu()), self._matrix(state.cpu())]

    def _per_class(self, matrix: Tensor) -> Table:
        right = matrix.diagonal().double()
        predicted, true = matrix.sum(dim=0), matrix.sum(dim=1)
        precision, recall, f1 = right / predicted, right / true, 2 * right / (predicted + true)
        rows = zip(self.names, matrix.sum(dim=1).tolist(), precision, recall, f1, strict=True)
        return Table(
            "per class",
            ("class", "examples", "precision", "recall", "F1"),
            tuple((name, str(n), *(_share(float(v)) for v in values)) for name, n, *values in rows),
        )

    def _matrix(self, matrix: Tensor) -> Table:
        return Table(
            "confusion matrix (row: true class, column: predicted)",
            ("", *self.names),
            tuple((name, *map(str, row)) for name, row in zip(self.names, matrix.tolist(), strict=True)),
        )


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
