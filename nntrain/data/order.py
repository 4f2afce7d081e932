"""In which order examples are seen: a pure function of seed and position."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nntrain.device import mix
from nntrain.samplers import Sampler

EPOCHS = 1 << 32  # more than any stage has


@dataclass(frozen=True)
class Order:
    """A sampler's order for every epoch of every stage; the batches of any step are known without those before it.

    An update takes `accumulate` batches of `batch_size`. The last batch of an epoch may be short, but never a
    single left-over example, which batch statistics cannot be taken of: it joins the batch before.
    """

    examples: int
    batch_size: int
    accumulate: int
    seed: int
    sampler: Sampler
    stage: int = 0

    @property
    def batches_per_epoch(self) -> int:
        full, rest = divmod(self.examples, self.batch_size)
        return full + (rest > 1 or (rest == 1 and (full == 0 or self.batch_size == 1)))

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.batches_per_epoch / self.accumulate)

    def updates(self, step: int) -> Iterator[list[Tensor]]:
        """The numbers of the examples of each update from `step` on, without end: a tensor for each batch.

        They are on the CPU, so that what Python is to know of a batch, such as its longest sequence, it knows at once.
        """
        while True:
            epoch, first = divmod(step, self.steps_per_epoch)
            batches = self._batches(epoch)
            for start in range(first * self.accumulate, len(batches), self.accumulate):
                yield batches[start : start + self.accumulate]
            step = (epoch + 1) * self.steps_per_epoch

    def seen(self, step: int) -> int:
        """How many examples the first `step` updates have seen."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        return epochs * self.examples + min(self.examples, steps * self.accumulate * self.batch_size)

    def _batches(self, epoch: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(mix(self.seed, 1, epoch + self.stage * EPOCHS))
        order = self.sampler(generator)
        whole = list(torch.split(order, self.batch_size))
        if len(whole) > self.batches_per_epoch:
            start = (self.batches_per_epoch - 1) * self.batch_size
            whole[-2:] = [order[start:]]
        return whole
