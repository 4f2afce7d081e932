"""What is to be known of pictures in files: tensors, such as classes and boxes, or masks, kept like pictures."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Protocol

import torch
from torch import Tensor

from nntrain.batch import IGNORED, each
from nntrain.data.mask_files import UNCOUNTED
from nntrain.data.unread import Drawn, Unread
from nntrain.specs import Mask, Targets
from nntrain.storages import Kept

TOGETHER = 64  # masks that are counted at once


class Answers(Protocol):
    """The targets of all files of a set, which are named by their numbers.

    broken: why some files have none, by their numbers
    """

    broken: Mapping[int, str]

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Drawn]:
        """The targets of each batch, on the device."""

    def at_hand(self, files: Tensor) -> Any:
        """What can be known of the targets of some files without decoding, for dividing them."""

    def described(self, files: Tensor) -> Targets:
        """The description of the targets, with what is to be known of some files for training."""


class Held:
    """Targets (files, ...), a tensor or a named tuple of some."""

    broken: Mapping[int, str] = {}

    def __init__(self, targets: Any, spec: Targets, device: torch.device) -> None:
        self._targets = targets
        self._on_device = each(lambda part: part.to(device), targets)
        self._device = device
        self._spec = spec

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Drawn]:
        for files in plan:
            yield Drawn(each(itemgetter(files.to(self._device, non_blocking=True)), self._on_device))

    def at_hand(self, files: Tensor) -> Any:
        return each(itemgetter(files), self._targets)

    def described(self, files: Tensor) -> Targets:
        found: Targets = self._spec.learned_from(self.at_hand(files))
        return found


class MaskFiles:
    """A mask for each file, decoded as bytes."""

    def __init__(self, kept: Kept, spec: Mask, device: torch.device, unread: Unread) -> None:
        self.broken = kept.broken
        self._kept = kept
        self._spec = spec
        self._device = device
        self._unread = unread

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Drawn]:
        for codes, broken in self._kept.batches(plan):
            labels = codes.to(self._device, non_blocking=True).squeeze(1).long()
            labels = labels.masked_fill(labels == UNCOUNTED, IGNORED)
            if broken:
                labels[list(broken)] = IGNORED
            yield Drawn(labels, broken)

    def at_hand(self, files: Tensor) -> Tensor:
        return torch.zeros(len(files), dtype=torch.long)

    def described(self, files: Tensor) -> Mask:
        counts = torch.zeros(len(self._spec), dtype=torch.long)
        for labels, broken in self.batches(torch.split(files, TOGETHER)):
            self._unread.note(broken)
            counts += torch.bincount(labels[labels != IGNORED].cpu(), minlength=len(self._spec))
        return Mask(self._spec.names, tuple(counts.tolist()))
