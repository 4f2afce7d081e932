"""Where data sets lie on disk, and where downloads go."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache directory for nntrain: the only place that data is written to."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "nntrain"


def roots(root: str | None) -> list[Path]:
    """Where a set is looked for: `data.root` alone, else $NNTRAIN_DATA and then what was downloaded before."""
    if root is not None:
        return [Path(root).expanduser()]
    given = os.environ.get("NNTRAIN_DATA")
    return [*([Path(given).expanduser()] if given else []), cache_folder() / "data"]
