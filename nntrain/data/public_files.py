"""Files of public repositories: where they lie already, else downloaded and checked."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import md5, sha1
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

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
        contents = {file: _fetched(f"{url}/{file}") for file in files}
        if git_id_of("".join(map(git_id_of, contents.values())).encode()) != git_id:
            raise OSError(f"{url} has changed: its files are not the published ones")
        for file, content in contents.items():
            (whole / file).write_bytes(content)

    return found_or_made(name, folder, files, lambda: size, download, root)


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
    needed_from_elsewhere(name)
    with _said_of(name, folder):
        target = download_folder(name, size()) / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent) as partial:
            whole = Path(partial) / target.name
            whole.mkdir()
            make(whole)
            whole.rename(target)
    return target


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
    except OSError as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise UserError(
            f"{name} could not be downloaded ({reason}); put the folder {folder} under {cache_folder() / 'data'}, "
            f"or set data.root or NNTRAIN_DATA to the folder that holds it"
        ) from None


def _fetched(url: str) -> bytes:
    with urlopen(url, timeout=SECONDS) as answer:
        content: bytes = answer.read()
    return content


def _download(url: str, target: Path, checksum: str) -> None:
    """Writes the file whole, or not at all; OSError where its content is not what it should be."""
    content = _fetched(url)
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
