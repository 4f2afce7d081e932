"""Archives of others: nothing that is in one comes to lie outside of the folder that it is unpacked into."""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath, PureWindowsPath
from zipfile import BadZipFile

ERRORS = (tarfile.TarError, BadZipFile, zlib.error, EOFError)  # what a strange archive raises, beside OSError


def check_inside(archive: str, path: str) -> None:
    """OSError where a path in an archive leads out of the folder that it would be unpacked into."""
    is_absolute = PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).anchor)
    if is_absolute or ".." in PureWindowsPath(path).parts:  # which knows both kinds of slashes
        raise OSError(f"{archive} is not unpacked: {path!r} in it leads out of its folder")


@contextmanager
def unpacked_inside() -> Iterator[None]:
    """Within it whoever unpacks a tar archive, and says nothing else, is refused what leaves the folder.

    Absolute paths, paths through `..`, links that lead out of the folder, and devices; tarfile.FilterError. Until
    Python 3.14 tarfile writes what it is told where nobody says otherwise; zipfile never leaves the folder.
    """
    before = tarfile.TarFile.__dict__.get("extraction_filter")
    tarfile.TarFile.extraction_filter = staticmethod(_inside)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = before


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    if PurePosixPath(member.name).is_absolute():
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, folder)
