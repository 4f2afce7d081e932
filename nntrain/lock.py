"""A lock on a folder, so that no two processes write to one run."""

import os
from collections.abc import Callable
from pathlib import Path

from nntrain.errors import UserError


class Lock:
    """Held from entering to leaving; one whose owner has died is free.

    It is the operating system's lock on the open folder, which ends with the process, so that no file is left behind.
    Where the file system has none, that is said, and the run goes on without.
    Source: flock(2).
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._descriptor: int | None = None

    def __enter__(self) -> "Lock":
        try:
            import fcntl

            self._descriptor = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.register_at_fork(after_in_child=self.release)  # a worker that outlives this process is no owner
        except BlockingIOError:
            self.release()
            message = f"another process is training in {self._folder}; wait for it, or stop it first"
            raise UserError(message) from None
        except (ImportError, OSError):
            self.release()
            self._say(f"{self._folder} cannot be locked here; see to it that no other process trains in it")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Closes the folder."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
