"""Whether what is there has higher scores than what is not, whatever the threshold."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.registry import metric
from nntrain.specs import Classes, LabelSet, Links
from nntrain.suggest import did_you_mean


@dataclass(frozen=True)
class Scores:
    """Scores of all examples and their targets; states merge by lying one behind the other."""

    scores: tuple[Tensor, ...]
    targets: tuple[Tensor, ...]

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(self.scores + other.scores, self.targets + other.targets)


class Ranking:
    """A column of scores, and of 1, 0 or IGNORED, for each class or label that is to be found.

    Where it is not said which, that is the second of two classes, and else every class or label.
    """

    def __init__(self, targets: Classes | LabelSet | Links, of: str | None) -> None:
        names = () if isinstance(targets, Links) else targets.names
        if of is not None and of not in names:
            raise UnfitError(f"there is no class or label '{of}'; {did_you_mean(of, names)}", "of")
        self._kind = type(targets)
        self._classes = len(names)
        is_pair = isinstance(targets, Classes) and len(targets) == 2
        self._chosen = names.index(of) if of is not None else 1 if is_pair else None

    def measure(self, predictions: Tensor, targets: Tensor) -> Scores:
        return Scores((predictions,), (targets,))

    def mean(self, state: Scores, figure: Callable[[Tensor, Tensor], float]) -> float:
        """The mean of a figure over all columns that hold both what is to be found and what is not."""
        scores, there = self._columns(torch.cat(state.scores).cpu().double(), torch.cat(state.targets).cpu())
        if self._chosen is not None:
            scores, there = scores[:, [self._chosen]], there[:, [self._chosen]]
        found = [figure(score[t >= 0], t[t >= 0] == 1) for score, t in zip(scores.T, there.T, strict=True)]
        known = [value for value in found if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan

    def _columns(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self._kind is Links:
            return logits[:, None], targets[:, None]
        if self._kind is LabelSet:
            return logits, targets
        # Of two classes the logits' difference, which grows with the probability and is never rounded to 1.
        scores = logits - logits.flip(1) if self._classes == 2 else F.log_softmax(logits, dim=1)
        return scores, F.one_hot(targets, self._classes)


@metric("auroc")
class AreaUnderROC:
    """How likely something that is to be found has a higher score than something that is not.

    auroc = P(s_i > s_j) + P(s_i = s_j) / 2, i of what is to be found, j of what is not

    Exact: all scores are kept. Predictions are logits (batch, classes), (batch, labels), or (batch,) of links; of
    several classes or labels it is the mean, each against the rest, over those that occur. From 0 to 1, 0.5 by chance.
    Source: Hanley, McNeil, The meaning and use of the area under a receiver operating characteristic curve, 1982; as
    sklearn.metrics.roc_auc_score.

    Settings:
        of: the class or label that is to be found; left out, the second of two classes, or every one
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Classes | LabelSet | Links, *, of: str | None = None) -> None:
        self._ranking = Ranking(targets, of)

    def measure(self, predictions: Tensor, targets: Tensor) -> Scores:
        return self._ranking.measure(predictions, targets)

    def value(self, state: Scores) -> float:
        return self._ranking.mean(state, auroc)


@metric("average_precision")
class AveragePrecision:
    """The precision at every threshold that finds something more, on average.

    average_precision = sum_k (R_k - R_{k-1}) P_k, precision P and recall R of all scores not below the k-th highest

    Exact: all scores are kept. Predictions as for auroc; from 0 to 1, by chance the share of what is to be found.
    Source: as sklearn.metrics.average_precision_score.

    Settings:
        of: the class or label that is to be found; left out, the second of two classes, or every one
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Classes | LabelSet | Links, *, of: str | None = None) -> None:
        self._ranking = Ranking(targets, of)

    def measure(self, predictions: Tensor, targets: Tensor) -> Scores:
        return self._ranking.measure(predictions, targets)

    def value(self, state: Scores) -> float:
        return self._ranking.mean(state, average_precision)


def auroc(scores: Tensor, there: Tensor) -> float:
    """By the sum of ranks (Mann, Whitney 1947), equal scores sharing theirs; not a number where all are of a kind."""
    _, place, counts = scores.unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    ranks = counts.cumsum(0) - (counts - 1) / 2
    found, others = int(there.sum()), int((~there).sum())
    if not found or not others:
        return math.nan
    return (float(ranks[place][there].sum()) - found * (found + 1) / 2) / (found * others)


def average_precision(scores: Tensor, there: Tensor) -> float:
    """The area under the steps of precision by recall; not a number where all are of a kind."""
    if not bool(there.any()) or bool(there.all()):
        return math.nan
    _, place, counts = (-scores).unique(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    found = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, place, there.double())
    precision = found.cumsum(0) / counts.cumsum(0)
    return float((precision * found).sum() / found.sum())
