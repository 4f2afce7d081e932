"""A set as it comes: to be divided, then learned from, then made into tensors, in this order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nntrain.data import Learned
from nntrain.data.split import SplitSettings

if TYPE_CHECKING:
    from nntrain.data.in_memory import Examples


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

    def examples(self, part: Any, learned: Learned) -> "Examples":
        """A part as tensors; UnfitError or UserError where it is not such as was learned from."""
