"""The user's own files as a data set: read when they are needed, with what a checkpoint knows of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import torch

from nntrain.data import Given, Learned, Split
from nntrain.data.in_memory import InMemory
from nntrain.data.plain_files import Piece
from nntrain.data.split import SplitSettings
from nntrain.data.undivided import Undivided
from nntrain.samplers import Sampler
from nntrain.settings import Augmentation, BatchSize, Mixture, Scaling
from nntrain.settings import Sampler as SamplerSetting


class Files(Protocol):
    """Files of one kind, as the config names them; making it reads nothing."""

    def read(self, stored: Learned | None) -> Undivided:
        """The set, with the categories, classes and so on of a checkpoint, or those of the training set."""

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        """Examples from other files of this kind, piece by piece, without their targets."""


class FromFiles:
    """A set in the user's own files, held in memory, divided and prepared.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set, auto for as many as are fast here
        standardize: whether numbers are standardised, true for mean 0 and deviation 1; or another scaling
        split: how the set is divided where it does not come divided
        augment: random changes of training inputs, one after the other
        mix: how training examples are mixed with each other
        sampler: in which order examples are seen
    """

    def __init__(
        self,
        files: Callable[[], Files],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: BatchSize | Literal["all"] = 32,
        standardize: bool | Scaling = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
        augment: list[Augmentation] = [],  # noqa: B006
        mix: Mixture | None = None,
        sampler: SamplerSetting = "shuffled",
    ) -> None:
        self._files = files()
        self._set = InMemory(
            lambda: self._files.read(stored),
            device,
            stored,
            batch_size=batch_size,
            standardize=standardize,
            split=split,
            augment=augment,
            mix=mix,
            sampler=sampler,
        )
        self.learned = self._set.learned
        self.inputs, self.targets = self.learned.inputs, self.learned.targets

    @property
    def train(self) -> Split:
        return self._set.train

    @property
    def batch_size(self) -> int:
        return self._set.batch_size

    @property
    def sampler(self) -> Sampler:
        return self._set.sampler

    def split(self, name: str) -> Split | None:
        return self._set.split(name)

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        yield from map(self._set.prepared, self._files.given(paths, self.learned))

    def describe(self) -> dict[str, Any]:
        return self._set.describe()
