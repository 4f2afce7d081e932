"""Pictures that are decoded again whenever they are needed, by processes of their own."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nntrain.data.image_files import BrokenImageError
from nntrain.data.unread import Broken, Drawn
from nntrain.errors import WORKER_KILLED, RunError
from nntrain.registry import storage
from nntrain.settings import Count, Whole
from nntrain.storages import Kept, Pictures


@storage("files")
class Files:
    """Nothing but the files: worker processes decode a few batches ahead of the one that is learned from.

    For sets that fit neither memory nor disk when they are decoded. The order of examples does not depend on the
    number of workers.

    Source: torch.utils.data.DataLoader.

    Settings:
        workers: how many processes decode; 0 to decode in the process that trains
        ahead: how many batches each worker may have ready
    """

    def __init__(self, *, workers: Whole = 2, ahead: Count = 2) -> None:
        self._workers = workers
        self._ahead = ahead

    def __call__(self, pictures: Pictures, device: torch.device) -> Kept:
        return _Decoding(pictures, device, self._workers, self._ahead)


class _Decoding:
    """Decodes the pictures of each batch."""

    is_read_anew = True

    def __init__(self, pictures: Pictures, device: torch.device, workers: int, ahead: int) -> None:
        self.where = f"in their files, decoded by {workers} worker{'s' if workers != 1 else ''}"
        self.faster = _faster(pictures, workers)
        self.broken: Mapping[int, str] = {}
        self._pictures = _Files(pictures)
        self._device = device
        self._workers = workers
        self._ahead = ahead

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Drawn]:
        """A plan of a single batch, such as a small set's evaluation, is decoded sooner than workers start."""
        batches = iter(plan)
        first = list(islice(batches, 2))
        workers = self._workers if len(first) > 1 else 0
        loader = DataLoader(
            self._pictures,
            batch_sampler=(numbers.tolist() for numbers in chain(first, batches)),
            num_workers=workers,
            prefetch_factor=self._ahead if workers else None,
            pin_memory=self._device.type == "cuda",
            collate_fn=self._pictures.together,
            generator=torch.Generator().manual_seed(0),  # else it draws from the run's
        )
        with _deaths_said():
            for drawn in loader:
                yield drawn._replace(content=drawn.content.to(self._device, non_blocking=True))


class _Files(Dataset[Tensor | Broken]):
    """Pictures by their number, or why there is none."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __getitem__(self, number: int) -> Tensor | Broken:
        path: Path = self._pictures.files[number]
        try:
            return self._pictures.decode(path.read_bytes(), self._pictures.size)
        except (OSError, BrokenImageError) as error:
            return Broken(number, str(path), " ".join(str(error).split()))

    def together(self, found: list[Tensor | Broken]) -> Drawn:
        """The pictures of a batch as one tensor, black where they are broken."""
        black = torch.zeros(self._pictures.size.shape, dtype=torch.uint8)
        pixels = torch.stack([picture if isinstance(picture, Tensor) else black for picture in found])
        return Drawn(pixels, {place: picture for place, picture in enumerate(found) if isinstance(picture, Broken)})


def _faster(pictures: Pictures, workers: int) -> str:
    """More workers, where there are cores for them; or not to decode again and again."""
    cores, size = os.cpu_count() or 1, f"{pictures.bytes / 1e9:,.3g} GB"
    more = f"'data.keep={{type: files, workers: {min(cores, max(2, 2 * workers))}}}' ({workers} now, {cores} cores)"
    decoded = f"data.keep=disk, which decodes them once, where {size} fit"
    return f"{more}, or {decoded}" if workers < cores else decoded


@contextmanager
def _deaths_said() -> Iterator[None]:
    """Within it, a worker that was killed is a RunError."""
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        raise RunError(WORKER_KILLED) from error
