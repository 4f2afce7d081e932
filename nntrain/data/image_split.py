"""Pictures as examples, batched by their numbers while they are read."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice, tee

import torch
from torch import Tensor

from nntrain.batch import Batch, each
from nntrain.data.answers import Answers
from nntrain.data.split import sampled
from nntrain.data.unread import Drawn, Unread
from nntrain.storages import Kept


class ImageSplit:
    """Some of the pictures as examples; their numbers are on the CPU."""

    def __init__(
        self,
        kept: Kept,
        answers: Answers,
        numbers: Tensor,
        ready: Callable[[Tensor], Tensor],
        size: int,
        unread: Unread,
    ) -> None:
        self.kept = kept
        self.answers = answers
        self.numbers = numbers
        self.batch_size = size
        self._ready = ready
        self._unread = unread

    def __len__(self) -> int:
        return len(self.numbers)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        ahead, too, now = tee(plan, 3)  # a storage may run ahead of what is learned from
        pixels = self.kept.batches(self.numbers[numbers] for update in ahead for numbers in update)
        targets = self.answers.batches(self.numbers[numbers] for update in too for numbers in update)
        for update in now:
            yield [self._batch(numbers, next(pixels), next(targets)) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        for (batch,) in self.stream([numbers] for numbers in torch.split(torch.arange(len(self)), self.batch_size)):
            yield batch

    def sample(self, examples: int, seed: int) -> "ImageSplit":
        if len(self) <= examples:
            return self
        some = sampled(len(self), examples, seed)
        return ImageSplit(self.kept, self.answers, self.numbers[some], self._ready, self.batch_size, self._unread)

    def _batch(self, numbers: Tensor, pixels: Drawn, targets: Drawn) -> Batch:
        """A batch; in the place of each example that could not be read stands the next whole one of the batch.

        Where there is none, the one that follows in the split stands for all: what is drawn depends on nothing else.
        """
        broken = {**pixels.broken, **targets.broken}
        if not broken:
            return Batch(self._ready(pixels.content), targets.content)
        self._unread.see(broken)
        if len(broken) == len(numbers):
            ((one,),) = islice(self.stream([[(numbers[-1:] + 1) % len(self)]]), 1)
            whole: Batch = each(lambda part: part.repeat_interleave(len(numbers), dim=0), one)
            return whole
        rows = torch.tensor(stand_ins(len(numbers), broken))

        def replaced(part: Tensor) -> Tensor:
            return part.index_select(0, rows.to(part.device, non_blocking=True))

        return Batch(self._ready(replaced(pixels.content)), each(replaced, targets.content))


def stand_ins(size: int, broken: Collection[int]) -> list[int]:
    """For each place of a batch itself, or the next one, round its end, that is not broken."""
    return [next(i % size for i in range(place, place + size) if i % size not in broken) for place in range(size)]
