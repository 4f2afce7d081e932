"""Files of public repositories: where they lie already, else downloaded and checked."""

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import md5, sha1
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from urllib.request import urlopen
from zipfile import BadZipFile, ZipFile

from nntrain.data.archives import ERRORS, check_inside, unpacked_inside
from nntrain.data.places import cache_folder, download_folder, needed_from_elsewhere, roots
from nntrain.errors import UnfitError, UserError

SECONDS = 60  # without an answer, after which a download is given up


def found_or_downloaded(
    name: str, folder: str, files: Mapping[str, str], url: str, size: str, root: str | None
) -> Path:
    """The folder with a set's files (name -> the id that git has for its content, or its MD5 after `md5:`).

    Looked for under `data.root` and the usual places; else downloaded from below `url`, one by one.
    """
    found = _found(name, folder, files, root)
    if found is not None:
        return found
    target = download_folder(name, size) / folder
    with _said_of(name, folder):
        for file, git_id in files.items():
            _download(f"{url}/{file}", target / file, git_id)
    return target


def found_or_downloaded_together(
    name: str, folder: str, files: Sequence[str], git_id: str, url: str, size: str, root: str | None
) -> Path:
    """As found_or_downloaded, for many small files that are checked, and come to be there, all at once.

    `git_id` is that of the text of their ids, one after the other.
    """

    def download(whole: Path) -> None:
        write_checked(whole, {file: fetched(f"{url}/{file}") for file in files}, git_id, url)

    return found_or_made(name, folder, files, lambda: size, download, root)


def archived(url: str, ends: Mapping[str, str], optional: Collection[str] = ()) -> dict[str, bytes]:
    """Files of a ZIP archive, each by how its path there ends; OSError where it is not whole, or lacks one.

    Of those that are `optional` the ones that are there.
    """
    try:
        with ZipFile(BytesIO(fetched(url))) as archive:
            paths = archive.namelist()
            for path in paths:
                check_inside(url, path)
            there = {file: [path for path in paths if path.endswith(end)] for file, end in ends.items()}
            wanted = [file for file in ends if there[file] or file not in optional]
            return {file: archive.read(there[file][0]) for file in wanted}
    except IndexError:
        raise OSError(f"{url} has changed: it lacks one of the published files") from None
    except (BadZipFile, zlib.error) as error:
        raise OSError(f"{url} is not the archive that it was: {error}") from None


def write_checked(folder: Path, contents: Mapping[str, bytes], git_id: str, url: str) -> None:
    """Writes files whose ids, one after the other, are a text with this id; OSError where they are not."""
    if git_id_of("".join(map(git_id_of, contents.values())).encode()) != git_id:
        raise OSError(f"{url} has changed: its files are not the published ones")
    for file, content in contents.items():
        (folder / file).write_bytes(content)


def found_or_made(
    name: str,
    folder: str,
    files: Collection[str],
    size: Callable[[], str],
    make: Callable[[Path], None],
    root: str | None,
) -> Path:
    """The folder with a set's files; else `make` downloads and writes them into another, which then takes its place."""
    found = _found(name, folder, files, root)
    if found is not None:
        return found
    return downloaded(name, folder, size, make)


def downloaded(name: str, folder: str, size: Callable[[], str], make: Callable[[Path], None]) -> Path:
    """The folder below the downloads that a set's files come to when `make` has written all of them into another."""
    needed_from_elsewhere(name)
    with _said_of(name, folder):
        target = download_folder(name, size()) / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".half-") as half:
            with unpacked_inside():
                make(Path(half))
            target.mkdir(exist_ok=True)
            for entry in Path(half).iterdir():
                _put(entry, target / entry.name)
    return target


def _put(entry: Path, target: Path) -> None:
    """Moves a file or folder to its place; what lies there was not whole."""
    if target.is_dir():
        rmtree(target)
    entry.replace(target)


def _found(name: str, folder: str, files: Collection[str], root: str | None) -> Path | None:
    """Where the files lie already; UnfitError where they are not where the user says."""
    for place in roots(root):
        if all((place / folder / file).is_file() for file in files):
            return place / folder
    if root is not None:
        raise UnfitError(f"{root} holds no {folder} with the files of {name}", "root")
    return None


@contextmanager
def _said_of(name: str, folder: str) -> Iterator[None]:
    """Within it, what goes wrong is said in a sentence."""
    try:
        yield
    except (OSError, HTTPException, RuntimeError, *ERRORS) as error:  # an answer that breaks off; torchvision's errors
        reason = str(getattr(error, "reason", error)).partition("\n")[0] or type(error).__name__
        what = f"the folder {folder}" if folder else "its files"
        raise UserError(
            f"{name} could not be downloaded ({reason}); put {what} under {cache_folder() / 'data'}, "
            f"or set data.root or NNTRAIN_DATA to the folder that holds {'it' if folder else 'them'}"
        ) from None


def fetched(url: str) -> bytes:
    """What the web answers; OSError or HTTPException where it does not, or breaks off."""
    with urlopen(url, timeout=SECONDS) as answer:
        content: bytes = answer.read()
    return content


def size_of(url: str) -> str:
    """How much there is to download, in words."""
    with urlopen(url, timeout=SECONDS) as answer:
        megabytes = int(answer.headers["Content-Length"]) / 2**20
    return f"{megabytes:,.1f} MB" if megabytes < 10 else f"{megabytes:,.0f} MB"


def _download(url: str, target: Path, checksum: str) -> None:
    """Writes the file whole, or not at all; OSError where its content is not what it should be."""
    content = fetched(url)
    found = (
        f"md5:{md5(content, usedforsecurity=False).hexdigest()}" if checksum.startswith("md5:") else git_id_of(content)
    )
    if found != checksum:
        raise OSError(f"{url} has changed: its content is not the published one")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(content)
    part.replace(target)


def git_id_of(content: bytes) -> str:
    """The id that git has for a file's content: SHA-1 of a header with its size, and the content."""
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
