"""How near translations are to those of people."""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.registry import metric
from nntrain.specs import Pairs, Written

ORDERS = 4  # n-grams of one to four words


@metric("bleu")
class Bleu:
    """How many n-grams of the translations are in those of people, from 0 to 100, as sacreBLEU counts.

    bleu = 100 exp(min(0, 1 - r / c)) (p_1 p_2 p_3 p_4)^(1/4)

    with p_n the share of the n-grams of all translations that are in their reference too (each as often as it is
    there), c the words of all translations and r those of all references. Tokens are made texts again, and cut into
    words as sacreBLEU's 13a does; capital letters count; where no n-gram fits, p_n is half of what the one before was
    smoothed to (exponential smoothing). It is of a whole corpus, not a mean over sentences. Signature:
    nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp.

    Predictions and targets are token numbers (batch, time), IGNORED behind the last.
    Source: Papineni, Roukos, Ward, Zhu, BLEU, 2002; Post, A call for clarity in reporting BLEU scores, 2018,
    arXiv:1804.08771.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Written) -> None:
        self._written = targets

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The n-grams that fit and all there are, for each n, then the words of translations and of references."""
        found = _counter().corpus_score(self._texts(predictions), [self._texts(targets)])
        return torch.tensor([*found.counts, *found.totals, found.sys_len, found.ref_len])

    def value(self, state: Tensor) -> float:
        numbers = state.tolist()
        fitting, all_there_are, lengths = numbers[:ORDERS], numbers[ORDERS : 2 * ORDERS], numbers[2 * ORDERS :]
        return float(_counter().compute_bleu(fitting, all_there_are, *lengths, smooth_method="exp").score)

    def _texts(self, rows: Tensor) -> list[str]:
        return [self._written.text(without_end(row)) for row in rows.tolist()]


def without_end(row: Sequence[int]) -> list[int]:
    """The tokens of a target before its end."""
    return [number for number in row if number not in (IGNORED, Pairs.end)]


@cache
def _counter() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU()
