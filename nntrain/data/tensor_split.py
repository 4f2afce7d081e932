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
        self._finish = _without_needless_padding if _is_padded(inputs) else _as_it_is

    def __len__(self) -> int:
        return count(self.targets)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self._finish(self._batch(numbers)) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        size = self._evaluated_at_once()
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self._finish(self._taken(lambda tensor: tensor[part]))  # noqa: B023

    def sample(self, examples: int, seed: int) -> "TensorSplit":
        if len(self) <= examples:
            return self
        batch = self._batch(sampled(len(self), examples, seed).to(_first_tensor(self.targets).device))
        return TensorSplit(batch.inputs, batch.targets, self.batch_size, batch.weights)

    def _evaluated_at_once(self) -> int:
        trained = self.batch_size or len(self)
        fitting = EVALUATION_BYTES // max(1, _first_tensor(self.inputs)[:1].nbytes)
        return max(1, self.batch_size, min(fitting, max(EVALUATED, EVALUATION_BATCHES * trained)))

    def _batch(self, numbers: Tensor) -> Batch:
        return self._taken(lambda part: part.index_select(0, numbers))

    def _taken(self, take: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(each(take, self.inputs), each(take, self.targets), each(take, self.weights))


def _first_tensor(inputs: Any) -> Tensor:
    return inputs if isinstance(inputs, Tensor) else _first_tensor(inputs[0])


def _is_padded(inputs: Any) -> bool:
    return isinstance(inputs, Sequences) and inputs.lengths is not None


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _without_needless_padding(batch: Batch) -> Batch:
    """The batch, cut to its longest sequence."""
    values, lengths = batch.inputs
    whole, longest = values.shape[1], int(lengths.max())
    targets = batch.targets[:, :longest] if batch.targets.shape[1:2] == (whole,) else batch.targets
    return Batch(Sequences(values[:, :longest], lengths), targets, batch.weights)
