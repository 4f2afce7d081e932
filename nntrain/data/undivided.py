"""A set as it comes: to be divided, then learned from, then made into tensors, in this order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from nntrain.batch import count, each
from nntrain.data import Learned
from nntrain.data.split import SplitSettings


@dataclass(frozen=True)
class Examples:
    """Inputs (n, ...), a tensor of any number type, `Sequences` or a `Pair`, and targets (n, ...) or `Objects`.

    `weights` (n,) say how much each counts in losses, where they do not all count 1.
    """

    inputs: Any
    targets: Any
    weights: Tensor | None = None

    def __len__(self) -> int:
        return count(self.targets)

    def take(self, numbers: Tensor) -> "Examples":
        whole = (self.inputs, self.targets, self.weights)
        return Examples(*(each(lambda part: part.index_select(0, numbers), parts) for parts in whole))


@dataclass(frozen=True)
class Parts:
    """Examples as they come, of each part; they are read when they are asked for. Dev and test may have none."""

    train: Callable[[], Any]
    dev: Callable[[], Any]
    test: Callable[[], Any]


class Undivided(Protocol):
    """A set; `scale` times its inputs are ordinary numbers (pixels from 0 to 1)."""

    @property
    def name(self) -> str: ...

    @property
    def scale(self) -> float: ...

    def parts(self, split: SplitSettings) -> Parts: ...

    def learn(self, train: Any) -> Learned:
        """What is to be known of the training set, as it comes."""

    def examples(self, part: Any, learned: Learned) -> Examples:
        """A part as tensors; UnfitError or UserError where it is not such as was learned from."""
