"""Files of public repositories: where they lie already, else downloaded and checked."""

from collections.abc import Mapping
from hashlib import md5, sha1
from pathlib import Path
from urllib.request import urlopen

from nntrain.data.places import cache_folder, download_folder, roots
from nntrain.errors import UnfitError, UserError

SECONDS = 60  # without an answer, after which a download is given up


def found_or_downloaded(
    name: str, folder: str, files: Mapping[str, str], url: str, size: str, root: str | None
) -> Path:
    """The folder with a set's files (name -> the id that git has for its content, or its MD5 after `md5:`).

    Looked for under `data.root` and the usual places; else downloaded from below `url`, one by one.
    """
    for place in roots(root):
        if all((place / folder / file).is_file() for file in files):
            return place / folder
    if root is not None:
        raise UnfitError(f"{root} holds no {folder} with the files of {name}", "root")
    target = download_folder(name, size) / folder
    try:
        for file, checksum in files.items():
            _download(f"{url}/{file}", target / file, checksum)
    except OSError as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise UserError(
            f"{name} could not be downloaded ({reason}); put the folder {folder} under {cache_folder() / 'data'}, "
            f"or set data.root or NNTRAIN_DATA to the folder that holds it"
        ) from None
    return target


def _download(url: str, target: Path, checksum: str) -> None:
    """Writes the file whole, or not at all; OSError where its content is not what it should be."""
    with urlopen(url, timeout=SECONDS) as answer:
        content = answer.read()
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
