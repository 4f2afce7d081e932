"""The user's own files with a class each: a folder for each class, or a table of labels."""

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

from nntrain.errors import UnfitError, UserError
from nntrain.specs import Classes

Part = Literal["train", "dev", "test"]
_DEV = ("dev", "val", "valid", "validation")
PARTS: dict[str, Part] = {"train": "train", **dict.fromkeys(_DEV, "dev"), "test": "test"}
Labelled = tuple[Path, str, Part]


def labelled_files(path: Path, table: Path | None, suffixes: Collection[str], kind: str) -> list[Labelled]:
    """All files of a kind with their classes and parts; UnfitError, with the setting, where there is something wrong.

    Without a table the folders directly below `path` are the classes, or parts (train, dev, test) above those.
    """
    if not path.is_dir():
        raise UnfitError(f"there is no folder {path}", "path")
    return list(_from_table(path, table) if table else _from_folders(path, suffixes, kind))


def find(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files with these endings below a folder, in the order of their names; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _from_folders(path: Path, suffixes: Collection[str], kind: str) -> Iterator[Labelled]:
    """Files below a folder for each class, below folders of parts where there are such."""
    below = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    parts = {folder: PARTS[folder.name.lower()] for folder in below if folder.name.lower() in PARTS}
    if parts and len(parts) == len(below):
        if "train" not in parts.values():
            raise UnfitError(f"{path} has a folder {below[0].name} but none called train", "path")
        for folder, part in parts.items():
            yield from ((file, label, part) for file, label in _by_class(folder, suffixes, kind))
    else:
        yield from ((file, label, "train") for file, label in _by_class(path, suffixes, kind))


def _by_class(path: Path, suffixes: Collection[str], kind: str) -> list[tuple[Path, str]]:
    """Each file with the name of the folder directly below `path` that it is in."""
    below = [(file, file.relative_to(path).parts) for file in find(path, suffixes)]
    found = [(file, parts[0]) for file, parts in below if len(parts) > 1]
    if not found:
        raise UnfitError(f"{path} holds no {kind} in folders, one for each class (such as cat and dog)", "path")
    return found


def _from_table(folder: Path, table: Path) -> Iterator[Labelled]:
    """The files that a CSV file names, with their labels."""
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UnfitError(f"{table}:{line}: not a text in UTF-8", "labels") from None
    except OSError as error:
        raise UnfitError(f"{table} cannot be read: {error.strerror}", "labels") from None
    rows = list(csv.reader(text.splitlines()))
    if not rows or rows[0][:2] != ["file", "label"] or len(rows) == 1:
        raise UnfitError(f"{table}: expected a first row 'file,label' and a row for each file", "labels")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]) or not row[0] or not row[1]:
            raise UnfitError(f"{table}:{line}: expected {','.join(rows[0])}, found {','.join(row)!r}", "labels")
        part = row[2] if len(row) > 2 else "train"
        if part not in PARTS:
            raise UnfitError(f"{table}:{line}: expected the part train, dev or test, found '{part}'", "labels")
        if not (folder / row[0]).is_file():
            raise UnfitError(f"{table}:{line}: there is no file {folder / row[0]}", "labels")
        yield folder / row[0], row[1], PARTS[part]


def classes_of(found: Sequence[Labelled], path: Path) -> Classes:
    """The classes of the training part, in the order of their names; of numbers in theirs."""
    counts = Counter(label for _, label, part in found if part == "train")
    if len(counts) < 2:
        only = f"only the class '{next(iter(counts))}'" if counts else "nothing for training"
        raise UnfitError(f"{path} holds {only}; there is to be a folder for each of two classes or more", "path")
    by_number = all(label.isdecimal() for label in counts)
    return Classes(tuple(sorted(counts, key=(lambda name: (int(name), name)) if by_number else None)))


def numbers_of(found: Sequence[Labelled], classes: Classes) -> list[int]:
    """The number of each file's class; UnfitError for a class that the training part does not have."""
    numbers = {name: i for i, name in enumerate(classes.names)}
    for file, label, part in found:
        if label not in numbers:
            raise UnfitError(
                f"{file}: the class '{label}' of the {part} part is not one of the training part's", "path"
            )
    return [numbers[label] for _, label, _ in found]


def named(path: Path, suffixes: Collection[str], kind: str) -> list[Path]:
    """The files that a path on the command line means: itself, or those of a kind below a folder."""
    if not path.is_dir():
        return [path]
    files = find(path, suffixes)
    if not files:
        raise UserError(f"{path} holds no {kind} ({', '.join(sorted(suffixes))})")
    return files
