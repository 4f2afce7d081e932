"""What is to be known of pictures in files: classes and objects, kept as numbers, or masks, kept like pictures."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Protocol

import torch
from torch import Tensor

from nntrain.batch import IGNORED, each
from nntrain.data.mask_files import UNCOUNTED
from nntrain.specs import Boxes, Classes, Instances, Mask
from nntrain.storages import Kept

TOGETHER = 64  # masks that are counted at once


class Answers(Protocol):
    """The targets of all files of a set; `broken` is why some have none, by the file's number."""

    broken: Mapping[int, str]

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Any]:
        """The targets of each batch, whose files are named by their numbers."""

    def described(self, numbers: Tensor) -> Any:
        """The description of the targets, with what is to be known of some training files."""


class Known:
    """The class of each file (files,), or the `Objects` in it."""

    broken: Mapping[int, str] = {}

    def __init__(self, known: Any, described: Classes | Boxes | Instances) -> None:
        self._known = known
        self._described = described

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Any]:
        for numbers in plan:
            yield each(itemgetter(numbers), self._known)

    def described(self, numbers: Tensor) -> Any:
        return self._described.learned_from(each(lambda part: part.cpu()[numbers], self._known))


class MaskFiles:
    """A mask for each file, decoded as bytes."""

    def __init__(self, kept: Kept, classes: Mask, device: torch.device) -> None:
        self.broken = kept.broken
        self._kept = kept
        self._classes = classes
        self._device = device

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        for codes in self._kept.batches(plan):
            labels = codes.to(self._device).squeeze(1).long()
            yield labels.masked_fill(labels == UNCOUNTED, IGNORED)

    def described(self, numbers: Tensor) -> Mask:
        counts = torch.zeros(len(self._classes), dtype=torch.long)
        for labels in self.batches(torch.split(numbers, TOGETHER)):
            counts += torch.bincount(labels[labels != IGNORED].cpu(), minlength=len(self._classes))
        return Mask(self._classes.names, tuple(counts.tolist()))
