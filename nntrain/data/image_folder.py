"""The user's own pictures: a folder for each class, or a table of labels."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Len

from nntrain.data import Learned
from nntrain.data.image_files import THREADS, BrokenImageError, find, measure
from nntrain.data.image_set import FromPictures, Listing, Part
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import Auto, PathText
from nntrain.specs import Classes, Image

LARGEST = 224  # pixels of a side that is not given
PARTS: dict[str, Part] = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
Side = Annotated[int, Ge(1)]
Size = Annotated[list[Side], Len(2, 2)]
Labelled = tuple[Path, str, Part]


@data("image_folder", within=FromPictures)
class ImageFolder:
    """Your own pictures: a folder for each class (cat/1.png, dog/7.jpg ...), or a table of labels.

    Folders train, dev (or val, valid) and test above those of the classes make official parts. PNG, JPEG, WebP and
    what else Pillow reads; 16 bits a channel become 8, what is transparent becomes white. A picture of another size
    is scaled until it covers the size, and its middle is cut out. Classes are those of the training part.

    Source: the layout of torchvision.datasets.ImageFolder.

    Settings:
        path: the folder
        labels: a CSV file with the columns file (relative to path) and label, in place of a folder for each class;
            a third column part says train, dev or test
        size: height and width; auto is the pictures' own where all are alike, else a square whose side is the
            median of their shorter sides, at most 224
        channels: 1 for grey, 3 for colours; auto is 3 where any picture has colours
    """

    def __init__(
        self,
        *,
        path: PathText,
        labels: PathText | None = None,
        size: Size | Auto = "auto",
        channels: Literal[1, 3] | Auto = "auto",
    ) -> None:
        self._path = Path(path)
        self._labels = Path(labels) if labels else None
        self._size = size
        self._channels = channels

    def listing(self, stored: Learned | None) -> Listing:
        if not self._path.is_dir():
            raise UnfitError(f"there is no folder {self._path}", "path")
        listed = list(_from_table(self._path, self._labels) if self._labels else _from_folders(self._path))
        measured = _measured([file for file, _, _ in listed])
        found = [labelled for labelled, size in zip(listed, measured, strict=True) if isinstance(size, Image)]
        classes = _classes(found, self._path) if stored is None else stored.targets
        assert isinstance(classes, Classes)
        size = self._common(measured) if stored is None else stored.inputs
        assert isinstance(size, Image)
        number = {name: i for i, name in enumerate(classes.names)}
        for file, label, part in found:
            if label not in number:
                raise UnfitError(
                    f"{file}: the class '{label}' of the {part} part is not one of the training part's", "path"
                )
        numbers = torch.tensor([number[label] for _, label, _ in found])
        files, parts = [file for file, _, _ in found], [part for _, _, part in found]
        broken = {str(f): size for (f, _, _), size in zip(listed, measured, strict=True) if isinstance(size, str)}
        return Listing("image_folder", files, numbers, classes, parts, size, broken)

    def _common(self, measured: Sequence[Image | str]) -> Image:
        """One size for all pictures."""
        sizes = [size for size in measured if isinstance(size, Image)]
        channels = max(size.channels for size in sizes) if self._channels == "auto" else self._channels
        if self._size != "auto":
            return Image(channels, *self._size)
        if len({(size.height, size.width) for size in sizes}) == 1:
            return Image(channels, sizes[0].height, sizes[0].width)
        side = min(LARGEST, round(median(min(size.height, size.width) for size in sizes)))
        return Image(channels, side, side)


def _measured(files: Sequence[Path]) -> list[Image | str]:
    """The size of each picture, or why it has none."""

    def one(path: Path) -> Image | str:
        try:
            return measure(path)
        except BrokenImageError as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, files))


def _from_folders(path: Path) -> Iterator[Labelled]:
    """Pictures below a folder for each class, below folders of parts where there are such."""
    below = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    parts = {folder: PARTS[folder.name.lower()] for folder in below if folder.name.lower() in PARTS}
    if parts and len(parts) == len(below):
        if "train" not in parts.values():
            raise UnfitError(f"{path} has a folder {below[0].name} but none called train", "path")
        for folder, part in parts.items():
            yield from ((file, label, part) for file, label in _by_class(folder))
    else:
        yield from ((file, label, "train") for file, label in _by_class(path))


def _by_class(path: Path) -> list[tuple[Path, str]]:
    """Each picture with the name of the folder directly below `path` that it is in."""
    found = [(file, file.relative_to(path).parts[0]) for file in find(path) if len(file.relative_to(path).parts) > 1]
    if not found:
        raise UnfitError(f"{path} holds no pictures in folders, one for each class (cat/1.png, dog/7.jpg)", "path")
    return found


def _from_table(folder: Path, table: Path) -> Iterator[Labelled]:
    """The pictures that a CSV file names, with their labels."""
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UnfitError(f"{table}:{line}: not a text in UTF-8", "labels") from None
    except OSError as error:
        raise UnfitError(f"{table} cannot be read: {error.strerror}", "labels") from None
    rows = list(csv.reader(text.splitlines()))
    if not rows or rows[0][:2] != ["file", "label"] or len(rows) == 1:
        raise UnfitError(f"{table}: expected a first row 'file,label' and a row for each picture", "labels")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]) or not row[0] or not row[1]:
            raise UnfitError(f"{table}:{line}: expected {','.join(rows[0])}, found {','.join(row)!r}", "labels")
        part = row[2] if len(row) > 2 else "train"
        if part not in PARTS:
            raise UnfitError(f"{table}:{line}: expected the part train, dev or test, found '{part}'", "labels")
        if not (folder / row[0]).is_file():
            raise UnfitError(f"{table}:{line}: there is no file {folder / row[0]}", "labels")
        yield folder / row[0], row[1], PARTS[part]


def _classes(found: Sequence[Labelled], path: Path) -> Classes:
    """The classes of the training part, in the order of their names; of numbers in theirs."""
    counts = Counter(label for _, label, part in found if part == "train")
    if len(counts) < 2:
        only = f"only the class '{next(iter(counts))}'" if counts else "no picture for training"
        raise UnfitError(f"{path} holds {only}; there is to be a folder for each of two classes or more", "path")
    by_number = all(label.isdecimal() for label in counts)
    return Classes(tuple(sorted(counts, key=(lambda name: (int(name), name)) if by_number else None)))
