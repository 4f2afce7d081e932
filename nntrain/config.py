"""Config files: found by path or name, read with the parent they extend and the overrides of the command line."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from nntrain.annotations import entry, options
from nntrain.document import ConfigError, Document, differences
from nntrain.errors import UserError
from nntrain.experiment import Experiment
from nntrain.overrides import override
from nntrain.reader import is_by_name
from nntrain.schema import Path, settings_of
from nntrain.suggest import nearest
from nntrain.yaml_text import MOST_LETTERS, dump, parse

__all__ = ["ConfigError", "Document", "differences", "dump", "find", "load", "merge", "override"]

PACKAGE = FilePath(__file__).parent
SHIPPED = (PACKAGE / "configs", PACKAGE.parent / "configs")  # in a wheel; in a checkout


def find(name: str) -> FilePath:
    """A config file by its path, else a shipped one by its name (`mlp_digits`)."""
    path = FilePath(name)
    if os.path.isfile(name):  # which says no of names that are too long, too
        return path
    shipped = {p.stem: p for folder in SHIPPED for p in folder.glob("*.yaml")}
    if name.removesuffix(".yaml") in shipped:
        return shipped[name.removesuffix(".yaml")]
    near = nearest(path.stem, shipped)
    hint = f"; did you mean '{near}', which comes with nntrain?" if near else ""
    raise UserError(f"there is no config file {name}{hint}")


def load(path: str | FilePath, overrides: Sequence[str] = ()) -> Document:
    """Reads a config with its `extends` parent and the overrides KEY=VALUE; mistakes are one ConfigError."""
    return override(_with_parents(FilePath(path), ()), overrides)


def _with_parents(path: FilePath, below: tuple[FilePath, ...]) -> Document:
    document = _read(path)
    parent = document.data.pop("extends", None)
    if parent is None:
        return document
    mark = document.mark(("extends",))
    if not isinstance(parent, str):
        raise ConfigError([(mark, "extends: expected the path of one config file")])
    parent_path = path.parent / parent
    if not parent_path.is_file():
        raise ConfigError([(mark, f"extends: there is no file {parent_path}")])
    if parent_path.resolve() in (p.resolve() for p in (*below, path)):
        raise ConfigError([(mark, f"extends: {parent_path} extends this file again")])
    merged = _with_parents(parent_path, (*below, path))
    merged.source = document.source
    for key in document.data:
        merge(merged, document, (key,))
    return merged


def merge(parent: Document, child: Document, path: Path) -> None:
    """Merges the child's settings over the parent's, key by key; another `type` replaces the whole component."""
    theirs, ours = parent.at(path[:-1]).get(path[-1]), child.at(path)
    if isinstance(ours, dict) and isinstance(theirs, str):
        parent.expand(path)
        parent.keys[path], parent.values[path] = child.keys[path], child.values[path]
        theirs = parent.at(path)
    if not isinstance(ours, dict) or not isinstance(theirs, dict) or _is_another(theirs, ours, path):
        parent.adopt(child, path)
    else:
        for key in ours:
            merge(parent, child, (*path, key))


def _is_another(theirs: dict[str, Any], ours: dict[str, Any], path: Path) -> bool:
    """Whether these are no changes of one component: another type, or several components by name in its place."""
    if "type" in ours:
        return ours["type"] != theirs.get("type")
    return "type" in theirs and path in _several() and is_by_name(ours)


@cache
def _several() -> set[Path]:
    """The sections that may hold several components, each under a name."""
    settings = settings_of(Experiment)
    return {(name,) for name, about in settings.items() if any(entry(option) for option in options(about.annotation))}


def _read(path: FilePath) -> Document:
    try:
        with path.open("rb") as file:
            text = file.read(4 * MOST_LETTERS + 1).decode("utf-8-sig")  # of a larger one that much is too much
    except UnicodeDecodeError as error:
        byte = f"byte {error.start} is {error.object[error.start]:#x}"
        raise UserError(f"{path}: not a text file in UTF-8 ({byte})") from None
    except FileNotFoundError:
        raise UserError(f"there is no config file {path}") from None
    except OSError as error:
        raise UserError(f"{path}: the config cannot be read: {error.strerror}") from None
    document = parse(text, str(path))
    if document.data is None:
        document.data = {}
    if not isinstance(document.data, dict):
        found = {"str": "text", "list": "a list"}.get(type(document.data).__name__, "a single value")
        message = f"expected sections such as 'data:' and 'model:', found {found}"
        raise ConfigError([(document.mark(()), message)])
    return document
