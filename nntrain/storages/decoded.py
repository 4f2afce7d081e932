"""Pictures that are decoded once: kept in memory, or on disk."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from nntrain.data.image_cache import Decoded, decoded_once
from nntrain.data.image_files import decoded
from nntrain.data.unread import Drawn
from nntrain.registry import storage
from nntrain.storages import Kept, Pictures


class Chosen:
    """Decoded pictures (n, channels, height, width), chosen by their numbers where they lie."""

    is_read_anew = False

    def __init__(
        self, pixels: Tensor, broken: Mapping[int, str], where: str, faster: str = "", is_pinned: bool = False
    ) -> None:
        """`is_pinned` is whether a batch is to lie where a GPU copies it from without being waited for."""
        self.where = where
        self.faster = faster
        self.broken = broken
        self._pixels = pixels
        self._is_pinned = is_pinned

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Drawn]:
        for numbers in plan:
            chosen = self._pixels.index_select(0, numbers.to(self._pixels.device, non_blocking=True))
            yield Drawn(chosen.pin_memory() if self._is_pinned else chosen)


@storage("memory")
def memory() -> "Memory":
    """All pictures in memory, decoded, on the device: the fastest.

    They are decoded once and kept in the user's cache directory for later runs.

    Source: own.
    """
    return Memory()


class Memory:
    """Keeps pictures in memory."""

    def __call__(self, pictures: Pictures, device: torch.device) -> Kept:
        found = _decoded(pictures)
        return Chosen(found.pixels.clone().to(device), found.broken, f"in memory ({_megabytes(pictures)})")


@storage("disk")
def disk() -> "Disk":
    """All pictures on disk, decoded, in the user's cache directory: what a batch needs is read from there.

    Source: own.
    """
    return Disk()


class Disk:
    """Keeps pictures on disk, mapped into memory."""

    def __call__(self, pictures: Pictures, device: torch.device) -> Kept:
        found = decoded_once(pictures.files, pictures.size, pictures.decode)
        size = _megabytes(pictures)
        faster = f"data.keep=memory, where {size} fit"
        return Chosen(found.pixels, found.broken, f"on disk ({size})", faster, device.type == "cuda")


def _decoded(pictures: Pictures) -> Decoded:
    """From the cache; decoded anew where there is no place for one."""
    try:
        return decoded_once(pictures.files, pictures.size, pictures.decode)
    except (OSError, RuntimeError):  # no home, or a folder that cannot be written to
        found = list(decoded(pictures.files, pictures.size, pictures.decode))
        black = torch.zeros(pictures.size.shape, dtype=torch.uint8)
        pixels = torch.stack([black if isinstance(picture, str) else picture for picture in found])
        return Decoded(pixels, {i: reason for i, reason in enumerate(found) if isinstance(reason, str)})


def _megabytes(pictures: Pictures) -> str:
    return f"{pictures.bytes / 1e6:,.1f} MB"
