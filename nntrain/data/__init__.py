"""Data sets: where examples come from, how they are split and prepared, and in which order they are seen."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from torch import Tensor

from nntrain.batch import Batch
from nntrain.specs import Inputs, Targets


class Split(Protocol):
    """A part of a data set: examples by their number."""

    def __len__(self) -> int: ...

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        """The batches of each update, for the examples that the plan names."""

    def in_order(self) -> Iterator[Batch]:
        """All examples in their order, in batches as large as is fast."""

    def sample(self, examples: int, seed: int) -> "Split":
        """A fixed random part of the split, itself where it has no more examples."""


class Dataset(Protocol):
    """What the trainer knows of data."""

    inputs: Inputs
    targets: Targets
    batch_size: int
    train: Split

    def split(self, name: str) -> Split | None:
        """`train`, `dev` or `test`; None where there is no such part."""

    def prepared(self) -> dict[str, Tensor]:
        """What preparation learned from the training set, for the checkpoint."""

    def describe(self) -> dict[str, Any]:
        """Sizes and shapes for the user."""
