"""Storages: where the pictures of a set are kept while it is used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from nntrain.data.image_files import Decode, decode
from nntrain.data.unread import Drawn
from nntrain.specs import Image


@dataclass(frozen=True)
class Pictures:
    """Files with pictures, the size that all are scaled and cut to, and what does that."""

    files: Sequence[Path]
    size: Image
    decode: Decode = decode

    @property
    def bytes(self) -> int:
        """How much they take when they are decoded."""
        channels, height, width = self.size.shape
        return len(self.files) * channels * height * width


class Kept(Protocol):
    """Pictures that are kept somewhere. `where` says it to the user; `broken` is why some are none, by number.

    `faster` is what to set where training waits for them, in words; empty where there is nothing.
    is_read_anew: whether each is read whenever it is needed, so that it may be found broken only then
    """

    where: str
    faster: str
    broken: Mapping[int, str]
    is_read_anew: bool

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Drawn]:
        """The pictures of each batch, named by their numbers, as bytes (batch, channels, height, width).

        One that is broken is black.
        """


class Storage(Protocol):
    """Decides where pictures are kept, and puts them there."""

    def __call__(self, pictures: Pictures, device: torch.device) -> Kept: ...
