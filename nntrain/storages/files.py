"""Pictures that are decoded again whenever they are needed, by processes of their own."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nntrain.data.image_files import BrokenImageError
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

    def __init__(self, pictures: Pictures, device: torch.device, workers: int, ahead: int) -> None:
        self.where = f"in their files, decoded by {workers} worker{'s' if workers != 1 else ''}"
        self.faster = _faster(pictures, workers)
        self.broken: Mapping[int, str] = {}
        self._pictures = _Files(pictures)
        self._device = device
        self._workers = workers
        self._ahead = ahead if workers else None

    def batches(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        loader = DataLoader(
            self._pictures,
            batch_sampler=(numbers.tolist() for numbers in plan),
            num_workers=self._workers,
            prefetch_factor=self._ahead,
            pin_memory=self._device.type == "cuda",
            collate_fn=_together,
            generator=torch.Generator().manual_seed(0),  # else it draws from the run's
        )
        with _deaths_said():
            for pixels, broken in loader:
                if broken:
                    raise RunError(broken[0])
                yield pixels.to(self._device, non_blocking=True)


class _Files(Dataset[Tensor | str]):
    """Pictures by their number, or why there is none."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __getitem__(self, number: int) -> Tensor | str:
        path: Path = self._pictures.files[number]
        try:
            return self._pictures.decode(path.read_bytes(), self._pictures.size)
        except (OSError, BrokenImageError) as error:
            return f"{path} (number {number}) is not a whole picture: {error}"


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


def _together(found: list[Tensor | str]) -> tuple[Tensor | None, list[str]]:
    """The pictures of a batch as one tensor, or what is wrong with them."""
    broken = [picture for picture in found if isinstance(picture, str)]
    pictures = [picture for picture in found if isinstance(picture, Tensor)]
    return (None, broken) if broken else (torch.stack(pictures), [])
