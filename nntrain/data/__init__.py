"""Data sets: where examples come from, how they are split and prepared, and in which order they are seen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.samplers import Sampler
from nntrain.specs import Inputs, Targets, are_alike


class Split(Protocol):
    """A part of a data set: examples by their number."""

    def __len__(self) -> int: ...

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        """The batches of each update, for the examples that the plan names by numbers on the CPU."""

    def in_order(self) -> Iterator[Batch]:
        """All examples in their order, in batches as large as is fast."""

    def sample(self, examples: int, seed: int) -> "Split":
        """A fixed random part of the split, itself where it has no more examples."""


@dataclass(frozen=True)
class Learned:
    """What preparation learned from the training set: it travels in the checkpoint, and is all that new data needs.

    tensors: means, deviations and the like; facts: what JSON can say: categories, vocabularies
    """

    inputs: Inputs
    targets: Targets
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """Examples from the user's own files, as far as they could be read.

    examples: prepared, with placeholders for targets; sources: where each comes from (file, row); failures: what
    could not be read, one sentence each, with the file and the row
    """

    examples: Split | None
    sources: Sequence[Mapping[str, Any]]
    failures: Sequence[str] = ()


class Dataset(Protocol):
    """What the trainer knows of data.

    One that is made with what a checkpoint learned reads nothing before a split is asked for, so that a trained
    model can be used without its training data.
    """

    inputs: Inputs
    targets: Targets
    batch_size: int
    train: Split

    @property
    def sampler(self) -> Sampler:
        """What says in which order the training set is seen."""

    def split(self, name: str) -> Split | None:
        """`train`, `dev` or `test`; None where there is no such part."""

    @property
    def learned(self) -> Learned:
        """What is known of the training set, for the checkpoint."""

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        """Examples from files, in pieces, prepared as the training set was; UserError where there is no way to."""

    def describe(self) -> dict[str, Any]:
        """Sizes and shapes for the user."""


def check_alike(name: str, learned: Learned, inputs: Inputs, targets: Targets) -> None:
    """UnfitError where the set `name` is not such as a checkpoint was trained on."""
    for known, found in ((learned.inputs, inputs), (learned.targets, targets)):
        if not are_alike(known, found):
            other = found if str(found) != str(known) else "others"
            raise UnfitError(f"the checkpoint was trained on {known}; {name} has {other}")
