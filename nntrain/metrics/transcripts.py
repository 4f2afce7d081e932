"""How well the symbols in a sequence are read."""

from typing import ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.registry import metric
from nntrain.specs import Transcripts


@metric("symbol_error_rate")
class SymbolErrorRate:
    """How many symbols are put in, left out or replaced, for each that is there.

    symbol_error_rate = sum_i d(x_i, y_i) / sum_i |y_i|, d the smallest number of changes (Levenshtein's distance)

    Predictions x and targets y (batch, length) are symbols with IGNORED behind the last; 0 is perfect, and more than
    1 is possible. Of letters it is called character error rate, of words word error rate.
    Source: Levenshtein, Binary codes capable of correcting deletions, insertions, and reversals, 1966.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Transcripts) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return torch.stack((distances(predictions, targets).sum(), (targets != IGNORED).sum()))

    def value(self, state: Tensor) -> float:
        changes, symbols = state.tolist()
        return changes / symbols


def distances(some: Tensor, others: Tensor) -> Tensor:
    """Levenshtein's distance of each row to the other's (batch,), all rows at once.

    After i symbols of `some`, `row` holds the distances to the first 0, 1, ... of `others`.
    """
    place = torch.arange(others.shape[1] + 1, device=others.device)
    row = place.expand(len(others), -1)
    for i in range(some.shape[1]):
        symbol = some[:, i : i + 1]
        replaced = row[:, :-1] + (others != symbol)
        changed = torch.cat((row[:, :1] + 1, torch.minimum(row[:, 1:] + 1, replaced)), dim=1)
        put_in = (changed - place).cummin(dim=1).values + place
        row = torch.where(symbol != IGNORED, put_in, row)
    return row.gather(1, (others != IGNORED).sum(dim=1, keepdim=True)).squeeze(1)
