"""How much memory there is, and how much something takes, on a GPU or beside the other programs of a machine."""

import ctypes
import gc
import os
import re
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

PAGE = os.sysconf("SC_PAGE_SIZE")
STATUS = Path("/proc/self/status")
LIMITS = (  # of the group of processes that this one belongs to, as in a container, and what it takes of them
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def room(device: torch.device) -> int:
    """The bytes that this process may still take."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    return max(0, min(_left()))


class Peak:
    """The most memory that is taken since it was made, beyond what was taken then."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)
            return
        _let_go_of_what_is_free()
        with suppress(OSError):  # Linux: the highest mark is put down to what is taken now
            Path("/proc/self/clear_refs").write_text("5")
        self._before = _taken("VmRSS")

    def bytes(self) -> int:
        highest = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _taken("VmHWM")
        return max(0, highest - self._before)


def _let_go_of_what_is_free() -> None:
    """Gives back what Python and the C library keep of memory that was freed: to take it again would not be seen."""
    gc.collect()
    with suppress(OSError, AttributeError):  # not the GNU C library
        ctypes.CDLL(None).malloc_trim(0)


def _left() -> Iterator[int]:
    """What each limit leaves on the CPU's side."""
    yield _available()
    for limit, used in LIMITS:
        with suppress(OSError, ValueError):  # not there, or no number: no limit
            yield int(Path(limit).read_text()) - int(Path(used).read_text())
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        yield most - _taken("VmSize")


def _available() -> int:
    """What can be taken without moving others out to disk; where the system does not say, half of what there is."""
    with suppress(OSError, TypeError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        return 1024 * int(found[1])  # type: ignore[index]
    return PAGE * os.sysconf("SC_PHYS_PAGES") // 2


def _taken(what: str) -> int:
    """A number of /proc's; elsewhere the highest mark of the process, which only grows."""
    with suppress(OSError, TypeError):
        found = re.search(rf"{what}:\s+(\d+) kB", STATUS.read_text())
        return 1024 * int(found[1])  # type: ignore[index]
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if os.uname().sysname == "Darwin" else 1024 * highest
