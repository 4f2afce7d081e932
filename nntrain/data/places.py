"""Where data sets lie on disk, and where downloads go."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from nntrain.errors import UserError

_is_withheld: ContextVar[bool] = ContextVar("downloads are withheld", default=False)


class WithheldError(Exception):
    """A set must be downloaded, but not now."""


@contextmanager
def downloads(allowed: bool) -> Iterator[None]:
    """Within it, sets that are not on this machine are downloaded, or not; what is withheld outside of it stays so."""
    before = _is_withheld.set(_is_withheld.get() or not allowed)
    try:
        yield
    finally:
        _is_withheld.reset(before)


def needed_from_elsewhere(name: str) -> None:
    """To be called where the set `name` is not on this machine; WithheldError where it is not to be had now."""
    if _is_withheld.get():
        raise WithheldError(name)


def download_folder(name: str, size: str) -> Path:
    """Where the set `name` is to be downloaded to, which is said first; WithheldError where it is not to be."""
    needed_from_elsewhere(name)
    target = cache_folder() / "data"
    print(f"downloading {name} ({size}) to {target}", file=sys.stderr)
    return target


def cache_folder() -> Path:
    """The user's cache directory for nntrain: the only place that data is written to."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if folder.startswith("~"):
        raise UserError("there is no home folder to keep files in; set XDG_CACHE_HOME, or NNTRAIN_DATA to your data")
    return Path(folder) / "nntrain"


def roots(root: str | None) -> Iterator[Path]:
    """Where a set is looked for: `data.root` alone, else $NNTRAIN_DATA and then what was downloaded before."""
    given = root or os.environ.get("NNTRAIN_DATA")
    if given:
        yield Path(os.path.expanduser(given))
    if root is None:
        yield cache_folder() / "data"  # asked for last: there may be no home
