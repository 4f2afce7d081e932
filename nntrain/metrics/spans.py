"""How well spans of sequences, such as names of persons and places, are found."""

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.errors import UnfitError
from nntrain.registry import metric
from nntrain.specs import Tags

OUTSIDE = "O"


@metric("span_f1")
class SpanF1:
    """F1 of whole spans: one is right where its kind, its first and its last position are.

    span_f1 = 2 right / (found + there)

    Tags are B-KIND at the first position of a span, I-KIND at its others, O outside of all. An I-KIND that follows
    another kind, or O, begins a span too. Predictions are logits (batch, time, classes), targets (batch, time); those
    IGNORED are left out, so that what stands on both sides of them are neighbours. From 0 to 1.
    Source: Tjong Kim Sang, Buchholz, Introduction to the CoNLL-2000 shared task: chunking, 2000, and its conlleval.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Tags) -> None:
        parts = [name.partition("-") for name in targets.names]
        wrong = [
            name
            for name, (mark, _, kind) in zip(targets.names, parts, strict=True)
            if name != OUTSIDE and (mark not in ("B", "I") or not kind)
        ]
        if wrong:
            raise UnfitError(f"span_f1 is for tags O, B-KIND and I-KIND; among these tags is '{wrong[0]}'")
        kinds = sorted({kind for _, _, kind in parts if kind})
        self._kind = torch.tensor([kinds.index(kind) if kind else -1 for _, _, kind in parts])
        self._begins = torch.tensor([mark == "B" for mark, _, _ in parts])

    def measure(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """How many spans are right, were found, and are there."""
        order = (targets == IGNORED).long().argsort(dim=1, stable=True)  # what has a label to the front
        labels, guesses = targets.gather(1, order), predictions.argmax(dim=2).gather(1, order)
        known = labels != IGNORED
        there, found = (self._spans(tags.clamp(min=0), known) for tags in (labels, guesses))
        right = (there.starts & found.starts) & (there.kind == found.kind) & (there.end == found.end)
        return torch.stack([part.sum() for part in (right, found.starts, there.starts)])

    def value(self, state: Tensor) -> float:
        right, found, there = state.tolist()
        return 2 * right / (found + there) if found + there else 0.0

    def _spans(self, tags: Tensor, known: Tensor) -> "Spans":
        kind = torch.where(known, self._kind.to(tags.device)[tags], -1)
        begins, inside = self._begins.to(tags.device)[tags], kind >= 0
        before = F.pad(kind, (1, 0), value=-1)[:, :-1]
        starts = inside & (begins | (before != kind))
        goes_on = F.pad(inside & ~starts, (0, 1))[:, 1:]
        ends = torch.where(inside & ~goes_on, torch.arange(tags.shape[1], device=tags.device), tags.shape[1])
        return Spans(starts, kind, ends.flip(1).cummin(dim=1).values.flip(1))


class Spans(NamedTuple):
    """Where spans start, the kind at each position, and where the span of each position ends: (batch, time) each."""

    starts: Tensor
    kind: Tensor
    end: Tensor
