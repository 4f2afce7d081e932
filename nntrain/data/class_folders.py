"""The user's own files with a class each: a folder for each class, or a table of labels."""

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nntrain.data.label_table import entries
from nntrain.data.lines import Place
from nntrain.errors import UnfitError
from nntrain.specs import Classes

Part = Literal["train", "dev", "test"]
_DEV = ("dev", "val", "valid", "validation")
PARTS: dict[str, Part] = {"train": "train", **dict.fromkeys(_DEV, "dev"), "test": "test"}


class Labelled(NamedTuple):
    """A file with its class and its part, and where these are said."""

    file: Path
    label: str
    part: Part
    said_by: str


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
        for path in _below(folder)
        if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder, and below folders that links lead to, but for those that lead back up."""
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in links:
            if here.resolve().is_relative_to((here / name).resolve()):
                folders.remove(name)
        yield from (here / name for name in files)


def _from_folders(path: Path, suffixes: Collection[str], kind: str) -> Iterator[Labelled]:
    """Files below a folder for each class, below folders of parts where there are such."""
    below = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    parts = {folder: PARTS[folder.name.lower()] for folder in below if folder.name.lower() in PARTS}
    if parts and len(parts) == len(below):
        if "train" not in parts.values():
            raise UnfitError(f"{path} has a folder {below[0].name} but none called train", "path")
        for folder, part in parts.items():
            yield from (Labelled(file, label, part, str(file)) for file, label in _by_class(folder, suffixes, kind))
    elif len(set(parts.values())) > 1:
        others = ", ".join(folder.name for folder in below if folder not in parts)
        names = ", ".join(folder.name for folder in parts)
        raise UnfitError(f"{path} has folders of parts ({names}) and others ({others}); move these elsewhere", "path")
    else:
        yield from (Labelled(file, label, "train", str(file)) for file, label in _by_class(path, suffixes, kind))


def _by_class(path: Path, suffixes: Collection[str], kind: str) -> list[tuple[Path, str]]:
    """Each file with the name of the folder directly below `path` that it is in."""
    below = [(file, file.relative_to(path).parts) for file in find(path, suffixes)]
    found = [(file, parts[0]) for file, parts in below if len(parts) > 1]
    if not found:
        raise UnfitError(f"{path} holds no {kind} in folders, one for each class (such as cat and dog)", "path")
    known = {label for _, label in found}
    without = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and entry.name not in known)
    for name in without:
        if not name.startswith("."):
            print(f"{path / name} holds no {kind} ({', '.join(sorted(suffixes))}) and is left out", file=sys.stderr)
    return found


def _from_table(folder: Path, table: Path) -> Iterator[Labelled]:
    """The files that a CSV file names, with their labels."""
    for place, file, says in entries(table, folder, ("label",), ("part",)):
        yield Labelled(file, says["label"], part_of(says, place), str(place))


def part_of(says: Mapping[str, str], place: Place) -> Part:
    """The part that a row is of; UnfitError for a name that is none."""
    part = says.get("part", "train")
    if part not in PARTS:
        raise UnfitError(f"{place}: expected the part train, dev or test, found '{part}'", "labels")
    return PARTS[part]


def classes_of(found: Sequence[Labelled], path: Path) -> Classes:
    """The classes of the training part, in the order of their names; of numbers in theirs."""
    counts = Counter(one.label for one in found if one.part == "train")
    if len(counts) < 2:
        only = f"only the class '{next(iter(counts))}'" if counts else "nothing for training"
        raise UnfitError(f"{path} holds {only}; there is to be a folder for each of two classes or more", "path")
    by_number = all(label.isdecimal() for label in counts)
    return Classes(tuple(sorted(counts, key=(lambda name: (int(name), name)) if by_number else None)))


def numbers_of(found: Sequence[Labelled], classes: Classes) -> list[int]:
    """The number of each file's class; UnfitError for a class that the training part does not have."""
    numbers = {name: i for i, name in enumerate(classes.names)}
    for _, label, part, said_by in found:
        if label not in numbers:
            raise UnfitError(
                f"{said_by}: the class '{label}' of the {part} part is not one of the training part's", "path"
            )
    return [numbers[one.label] for one in found]


def named(paths: Sequence[str], suffixes: Collection[str], kind: str) -> tuple[list[Path], list[str]]:
    """The files that paths on the command line mean: themselves, or those of a kind below folders.

    And a sentence for each folder that holds none.
    """
    below = {path: find(Path(path), suffixes) if Path(path).is_dir() else [Path(path)] for path in paths}
    empty = [f"{path} holds no {kind} ({', '.join(sorted(suffixes))})" for path, files in below.items() if not files]
    return [file for path in paths for file in below[path]], empty
