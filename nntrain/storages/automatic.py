"""The storage that a set's size suggests."""

import os
import shutil
from typing import Annotated

import torch
from annotated_types import Gt

from nntrain.data.places import cache_folder
from nntrain.errors import UserError
from nntrain.registry import storage
from nntrain.storages import Kept, Pictures
from nntrain.storages.decoded import Disk, Memory
from nntrain.storages.files import Files

Gigabytes = Annotated[float, Gt(0)]
OF_MEMORY = 0.25  # of the machine's memory, for a set's pictures
OF_DISK = 0.5  # of what is free


@storage("auto")
class Automatic:
    """In memory where the decoded pictures fit, else on disk where they fit, else in their files.

    Source: own.

    Settings:
        limit: the most that is kept in memory, in gigabytes; left out, a quarter of the machine's memory (of a
            GPU's, where the network is on one)
    """

    def __init__(self, *, limit: Gigabytes | None = None) -> None:
        self._limit = limit

    def __call__(self, pictures: Pictures, device: torch.device) -> Kept:
        limit = _memory(device) * OF_MEMORY if self._limit is None else self._limit * 1e9
        if pictures.bytes <= limit:
            return Memory()(pictures, device)
        try:
            cache_folder().mkdir(parents=True, exist_ok=True)
            if pictures.bytes <= shutil.disk_usage(cache_folder()).free * OF_DISK:
                return Disk()(pictures, device)
        except (OSError, UserError):  # nowhere to write to, or no home
            pass
        return Files()(pictures, device)


def _memory(device: torch.device) -> float:
    """How many bytes of memory the device has."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
