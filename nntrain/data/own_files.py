"""The user's own files as a data set: read when they are needed, with what a checkpoint knows of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import torch

from nntrain.data import Given, Learned
from nntrain.data.in_memory import InMemory, Source, TensorSplit
from nntrain.data.plain_files import Piece
from nntrain.data.split import SplitSettings
from nntrain.samplers import Sampler
from nntrain.settings import Count
from nntrain.settings import Sampler as SamplerSetting


class Files(Protocol):
    """Files of one kind, as the config names them; making it reads nothing."""

    def read(self, stored: Learned | None) -> Source:
        """The set, with the categories, classes and so on of a checkpoint, or those of the training set."""

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        """Examples from other files of this kind, piece by piece, without their targets."""


class FromFiles:
    """A set in the user's own files, held in memory, divided and prepared.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set
        standardize: whether numbers are standardised with the mean and deviation of the training set
        split: how the set is divided where it does not come divided
        sampler: in which order examples are seen
    """

    def __init__(
        self,
        files: Callable[[], Files],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: Count | Literal["all"] = 32,
        standardize: bool = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
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
            sampler=sampler,
        )
        self.learned = self._set.learned
        self.inputs, self.targets = self.learned.inputs, self.learned.targets

    @property
    def train(self) -> TensorSplit:
        return self._set.train

    @property
    def batch_size(self) -> int:
        return self._set.batch_size

    @property
    def sampler(self) -> Sampler:
        return self._set.sampler

    def split(self, name: str) -> TensorSplit | None:
        return self._set.split(name)

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        yield from map(self._set.prepared, self._files.given(paths, self.learned))

    def describe(self) -> dict[str, Any]:
        return self._set.describe()
