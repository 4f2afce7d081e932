"""Settings changed on the command line: KEY=VALUE."""

from collections.abc import Sequence
from typing import Any

from nntrain.document import COMMAND_LINE, ConfigError, Document, Mark
from nntrain.schema import Path
from nntrain.yaml_text import parse


def override(document: Document, overrides: Sequence[str]) -> Document:
    """Applies KEY=VALUE pairs to a document in place; mistakes are one ConfigError.

    Whole components and their types are set before their settings, whatever the order on the command line.
    """
    mistakes: list[tuple[Mark, str]] = []
    chosen: dict[Path, tuple[str, Mark]] = {}
    for text in overrides:
        mark = Mark(COMMAND_LINE, text=text)
        key, equals, value = text.partition("=")
        path = _path(key)
        if not equals or not key.strip():
            mistakes.append((mark, "expected KEY=VALUE, such as optimizer.lr=0.01"))
        elif path in chosen:
            mistakes.append((mark, f"{key.strip()} is already set by '{chosen[path][1].text}'"))
        else:
            chosen[path] = (value, mark)
    for path in sorted(chosen, key=lambda path: (len(path) - (path[-1] == "type"), len(path))):
        value, mark = chosen[path]
        try:
            _set(document, path, _value(value), mark)
        except ConfigError as error:
            mistakes.append((mark, error.mistakes[0][1]))
        except LookupError as error:
            mistakes.append((mark, str(error.args[0])))
    if mistakes:
        raise ConfigError(mistakes)
    return document


def _path(key: str) -> Path:
    return tuple(int(part) if part.isdecimal() else part for part in key.strip().split("."))


def _value(text: str) -> Any:
    return parse(text, COMMAND_LINE).data


def _set(document: Document, path: Path, value: Any, mark: Mark) -> None:
    """Sets one value; LookupError says why there is no such place."""
    for depth in range(1, len(path)):
        _descend(document, path[:depth], mark)
    holder = document.at(path[:-1])
    if isinstance(holder, list):
        _check_index(holder, path)
    _check_once(document, path)
    if isinstance(holder, list):
        document.replace(path, value, mark)
        return
    if path[-1] == "type" and len(path) > 1 and holder.get("type") not in (None, value):
        _drop_settings(document, path[:-1], value, mark)
    elif isinstance(holder.get(path[-1]), dict):
        _drop_settings(document, path, value.get("type") if isinstance(value, dict) else value, mark)
    document.replace(path, value, mark)


def _descend(document: Document, path: Path, mark: Mark) -> None:
    """Makes sure that there are settings or a list at `path`."""
    holder = document.at(path[:-1])
    if isinstance(holder, list):
        _check_index(holder, path)
    elif holder.get(path[-1]) is None:
        document.replace(path, {}, mark)
    if isinstance(document.at(path), str):
        document.expand(path)
        document.values[path] = mark
    if not isinstance(document.at(path), dict | list):
        raise LookupError(f"{'.'.join(map(str, path))} is {document.at(path)}, which has no settings of its own")


def _check_index(holder: list[Any], path: Path) -> None:
    if not isinstance(path[-1], int) or path[-1] >= len(holder):
        entries = f"{len(holder)} entries, counted from 0" if holder else "no entries"
        raise LookupError(f"{'.'.join(map(str, path))}: the list has {entries}")


def _check_once(document: Document, path: Path) -> None:
    """Refuses a second override of what another one has set as part of a whole component or list."""
    holder, earlier = document.at(path[:-1]), document.mark(path)
    if earlier.source == COMMAND_LINE and (isinstance(holder, list) or path[-1] in holder):
        raise LookupError(f"{'.'.join(map(str, path))} is already set by '{earlier.text}'")


def _drop_settings(document: Document, path: Path, name: object, mark: Mark) -> None:
    """Setting another type drops the old one's settings, and says so."""
    component = document.at(path)
    dropped = [key for key in component if key != "type"]
    if dropped and "type" in component:
        where = ".".join(map(str, path))
        lost = f"the settings of '{component['type']}' are dropped ({', '.join(dropped)})"
        now = f"now '{name}'" if name not in (None, component["type"]) else "set as a whole"
        document.notes.append(f"{where}: {now}; {lost}")
    document.replace(path, {}, mark)
