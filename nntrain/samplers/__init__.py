"""Samplers: which examples an epoch sees, and in which order; batches are cut off that order one after the other."""

from dataclasses import dataclass
from typing import Protocol

from torch import Generator, Tensor


@dataclass(frozen=True)
class TrainingSet:
    """What a sampler may know of the examples that it is made for.

    labels: the class of each example (count,), None where the targets are no classes; lengths: how long each is
    (count,), None where they are no sequences of different lengths
    """

    count: int
    batch_size: int
    labels: Tensor | None = None
    lengths: Tensor | None = None


class Sampler(Protocol):
    """Is made for the training set's `TrainingSet`; what it draws comes from the generator alone."""

    def __call__(self, generator: Generator) -> Tensor:
        """The numbers of `count` examples, in the order in which an epoch sees them."""
