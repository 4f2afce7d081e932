"""Examples as tensors, batched by their numbers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor

from nntrain.batch import Batch, Sequences, count, each
from nntrain.data.split import sampled

EVALUATION_BYTES = 1 << 20  # of inputs in a batch of evaluation: what is made of them is to fit into a cache,
EVALUATION_BATCHES = 16  # and so many batches of training are to fit into memory, as one does with its gradient
EVALUATED = 256  # examples at least, so that they are not a batch each where training sees one at a time


class TensorSplit:
    """Examples as tensors on the device."""

    def __init__(self, inputs: Any, targets: Any, batch_size: int, weights: Tensor | None = None) -> None:
        self.inputs = inputs
        self.targets = targets
        self.weights = weights
        self.batch_size = batch_size
        self._lengths = inputs.lengths.cpu() if isinstance(inputs, Sequences) and inputs.lengths is not None else None

    def __len__(self) -> int:
        return count(self.targets)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self._cut(self._batch(numbers), numbers) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        size = self._evaluated_at_once()
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self._cut(self._taken(lambda tensor: tensor[part]), part)  # noqa: B023

    def sample(self, examples: int, seed: int) -> "TensorSplit":
        if len(self) <= examples:
            return self
        batch = self._batch(sampled(len(self), examples, seed))
        return TensorSplit(batch.inputs, batch.targets, self.batch_size, batch.weights)

    def _evaluated_at_once(self) -> int:
        trained = self.batch_size or len(self)
        fitting = EVALUATION_BYTES // max(1, _first_tensor(self.inputs)[:1].nbytes)
        return max(1, self.batch_size, min(fitting, max(EVALUATED, EVALUATION_BATCHES * trained)))

    def _batch(self, numbers: Tensor) -> Batch:
        there = numbers.to(_first_tensor(self.targets).device, non_blocking=True)
        return self._taken(lambda part: part.index_select(0, there))

    def _taken(self, take: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(each(take, self.inputs), each(take, self.targets), each(take, self.weights))

    def _cut(self, batch: Batch, chosen: Tensor | slice) -> Batch:
        """The batch of the chosen examples, cut to its longest sequence."""
        if self._lengths is None:
            return batch
        values, lengths = batch.inputs
        whole, longest = values.shape[1], int(self._lengths[chosen].max())
        targets = batch.targets[:, :longest] if batch.targets.shape[1:2] == (whole,) else batch.targets
        return Batch(Sequences(values[:, :longest], lengths), targets, batch.weights)


def _first_tensor(inputs: Any) -> Tensor:
    return inputs if isinstance(inputs, Tensor) else _first_tensor(inputs[0])
