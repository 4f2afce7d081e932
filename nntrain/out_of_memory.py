"""Batches that do not fit into memory: cut into pieces whose gradients add up to that of the whole batch."""

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, TypeVar

import torch

from nntrain.batch import Batch, GraphNodes, each, tensors_in
from nntrain.device import Device

Found = TypeVar("Found")
Oom = Literal["fail", "halve"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up: Python's, that of a GPU, or torch's on the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Pieces:
    """How many pieces each batch of an update is cut into; where they may be halved, as many as it takes.

    The counts of losses are those of the whole update, so that it stays the same to rounding, save for batch
    statistics and for noise, which is drawn piece by piece.
    """

    def __init__(self, oom: Oom, device: Device) -> None:
        self.count = 1
        self._may_halve = oom == "halve"
        self._device = device

    def __call__(
        self, look: Callable[[Sequence[Batch]], Found], batches: Sequence[Batch], restore: Callable[[], None]
    ) -> Found:
        """What is found with the pieces; `restore` undoes what a pass that failed has changed."""
        if not self._may_halve:
            return look(batches)
        noise = self._device.noise()
        while True:
            try:
                return look([piece for batch in batches for piece in cut(batch, self.count)])
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or not any(can_be_cut(batch, self.count) for batch in batches):
                    raise
            restore()  # out of the except clause, whose error keeps what was computed alive
            self._device.repeat(noise)
            self._halve()

    def _halve(self) -> None:
        self.count *= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        print(f"out of memory: from here on each batch is taken in {self.count} pieces", file=sys.stderr)


def can_be_cut(batch: Batch, count: int) -> bool:
    """Whether a batch that was cut into so many pieces can be cut into more."""
    return count < batch.examples and len(cut(batch, 2)) > 1


def cut(batch: Batch, count: int) -> list[Batch]:
    """At most so many pieces of about the same size; the batch itself where its examples are not rows of tensors."""
    size = batch.examples
    if count == 1 or not _are_rows(batch, size):
        return [batch]
    bounds = [size * i // count for i in range(count + 1)]
    parts = [slice(start, end) for start, end in pairwise(bounds) if end > start]
    return [Batch(*(each(lambda tensor: tensor[part], field) for field in batch)) for part in parts]  # noqa: B023


def _are_rows(batch: Batch, size: int) -> bool:
    if isinstance(batch.inputs, GraphNodes):  # every piece would need the whole graph
        return False
    return all(tensor.dim() > 0 and len(tensor) == size for tensor in tensors_in(batch))
