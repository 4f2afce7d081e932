"""Where data sets lie on disk, and where downloads go."""

import os
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache directory for nntrain: the only place that data is written to."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "nntrain"


def roots(root: str | None) -> Iterator[Path]:
    """Where a set is looked for: `data.root` alone, else $NNTRAIN_DATA and then what was downloaded before."""
    given = root or os.environ.get("NNTRAIN_DATA")
    if given:
        yield Path(given).expanduser()
    if root is None:
        yield cache_folder() / "data"  # asked for last: there may be no home
