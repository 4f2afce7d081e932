"""The source text of Python's standard library."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from nntrain.data.text import Blocks, Corpus
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import Count

LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


@data("standard_library", within=Blocks)
def standard_library(*, size: Count = 1_000_000) -> Corpus:
    """The source text of Python's own standard library, which is always there; the last tenth is the dev set.

    The files in the order of their paths, tests left out, until there are enough characters. The text is another
    in each version of Python; its SHA-256 stands in what `check` finds.

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
        pieces.append(path.read_text(encoding="utf-8", errors="replace")[:lacking])
        lacking -= len(pieces[-1])
    return "".join(pieces)


def _files(folder: Path) -> Iterator[Path]:
    """The source files in a folder and those below it, in the order of their paths."""
    found = [path.relative_to(folder) for path in folder.rglob("*.py")]
    kept = sorted(path.as_posix() for path in found if not LEFT_OUT.intersection(path.parts))
    if not kept:
        raise UserError(f"{folder} holds no source text of the standard library")
    yield from (folder / name for name in kept)
