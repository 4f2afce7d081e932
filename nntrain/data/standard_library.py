"""The source text of Python's standard library."""

import sysconfig
from hashlib import sha256
from pathlib import Path

from nntrain.data.text import Blocks, Corpus
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import Count

LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
LONGEST = 5_000  # characters of a file


@data("standard_library", within=Blocks)
def standard_library(*, size: Count = 1_000_000) -> Corpus:
    """The source text of Python's own standard library, which is always there; the last tenth is the dev set.

    The first 5,000 characters of each file, tests left out, in an order like chance (that of the SHA-256 of their
    paths), so that both parts are of all kinds, until there are enough. The text is another in each version of
    Python; its own SHA-256 stands in what `check --json` says.

    Source: the Python Software Foundation, https://docs.python.org/3/library.

    Settings:
        size: how many characters
    """
    return Corpus.divided("standard_library", _text(size))


def _text(size: int) -> str:
    pieces: list[str] = []
    lacking = size
    for path in _files(Path(sysconfig.get_paths()["stdlib"])):
        if lacking <= 0:
            break
        pieces.append(path.read_text(encoding="utf-8", errors="replace")[: min(LONGEST, lacking)])
        lacking -= len(pieces[-1])
    return "".join(pieces)


def _files(folder: Path) -> list[Path]:
    """The source files in a folder and those below it, in an order like chance that is the same everywhere."""
    found = [path.relative_to(folder) for path in folder.rglob("*.py")]
    kept = [path.as_posix() for path in found if not LEFT_OUT.intersection(path.parts)]
    if not kept:
        raise UserError(f"{folder} holds no source text of the standard library")
    return [folder / name for name in sorted(kept, key=lambda name: sha256(name.encode()).digest())]
