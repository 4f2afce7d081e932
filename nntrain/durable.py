"""Files that are either whole or not there, whatever happens while they are written."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_durably(path: Path, *content: Any) -> None:
    """Writes a file that is either whole or not there: temporary name, flushed to disk, renamed."""
    write_beside(path, *content).replace(path)
    sync_folder(path.parent)


def write_beside(path: Path, *content: Any) -> Path:
    """Writes the bytes of a file under its temporary name, flushed to disk; nothing is left where that fails."""
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):  # a full disk is to have its room back, one that is gone is gone
            temporary.unlink(missing_ok=True)
        raise
    return temporary


def temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.writing")


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to disk, so that a rename outlives a power cut."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
