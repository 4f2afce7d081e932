"""A config as plain data, where every part of it was written, and the errors that point there."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from nntrain.errors import UserError
from nntrain.schema import Path, Problem

COMMAND_LINE = "command line"
LONGEST_LINE = 200  # of a config that an error quotes


@dataclass(frozen=True)
class Mark:
    """A place in a file (line and column count from 1), or an override on the command line.

    What stands in a stage is read as a part of a whole config; `stage` then says in which one.
    """

    source: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""
    stage: int | None = None

    def render(self, message: str) -> str:
        if self.stage is not None:
            message = f"stages.{self.stage}.{message}"
        if self.source == COMMAND_LINE:
            return f"{COMMAND_LINE}: {self.text}: {message}"
        head = f"{self.source}:{self.line}:{self.column}: {message}"
        if not self.text.strip() or len(self.text) > LONGEST_LINE:
            return head
        # Tabs before the caret stay tabs, so that it stands below what it means.
        indent = "".join("\t" if c == "\t" else " " for c in self.text[: self.column - 1])
        caret = "^" * max(1, min(self.width, len(self.text) - self.column + 1))
        return f"{head}\n{self.line:5} | {self.text}\n      | {indent}{caret}"


Mistake = tuple[Mark, str]


class ConfigError(UserError):
    """All mistakes of a config, each with its place, sorted by it."""

    said_after = ""  # the place comes first, where editors look for it

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(
            mistakes, key=lambda m: (m[0].source == COMMAND_LINE, m[0].source, m[0].line, m[0].column)
        )
        super().__init__("\n".join(dict.fromkeys(mark.render(message) for mark, message in self.mistakes)))


@dataclass
class Document:
    """A config as plain data, and where every key and value of it was written."""

    source: str
    data: dict[str, Any]
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def mark(self, path: Path, on_key: bool = False) -> Mark:
        """The place of a key or value, else of the nearest one that holds it."""
        if not on_key and path in self.values:
            return self.values[path]
        while path:
            if path in self.keys:
                return self.keys[path]
            if path in self.values:
                return self.values[path]
            path = path[:-1]
        return Mark(self.source, 1, 1)

    def absolute(self, path: Path, place: str) -> FilePath:
        """The file or folder that is named at `path`: relative to the config that names it, else to the current one."""
        mark = self.mark(path)
        folder = FilePath(mark.source).parent if mark.source != COMMAND_LINE else FilePath()
        named = folder / os.path.expanduser(place)  # which leaves it as it is where there is no such home
        if named.name in ("", ".", ".."):
            return named.resolve()
        return named.parent.resolve() / named.name  # a link keeps its name, whose ending says what the file is

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        return ConfigError((self.mark(p.path, p.on_key), str(p)) for p in problems)

    def at(self, path: Path) -> Any:
        data: Any = self.data
        for key in path:
            data = data[key]
        return data

    def replace(self, path: Path, value: Any, mark: Mark) -> None:
        """Puts a value where `mark` says it comes from."""
        self.at(path[:-1])[path[-1]] = value
        self.forget(path)
        self.keys[path] = self.values[path] = mark

    def expand(self, path: Path) -> None:
        """Turns a component's short form `model: lenet` into `model: {type: lenet}`."""
        value = self.at(path)
        if isinstance(value, str):
            self.at(path[:-1])[path[-1]] = {"type": value}
            self.values[(*path, "type")] = self.mark(path)

    def adopt(self, other: "Document", path: Path) -> None:
        """Takes over what another document says at `path`, marks included."""
        self.at(path[:-1])[path[-1]] = other.at(path)
        self.forget(path)
        for mine, theirs in ((self.keys, other.keys), (self.values, other.values)):
            mine.update({p: mark for p, mark in theirs.items() if p[: len(path)] == path})

    def forget(self, path: Path) -> None:
        """Drops the marks at and below `path`."""
        for marks in (self.keys, self.values):
            for below in [p for p in marks if p[: len(path)] == path]:
                del marks[below]


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """The leaves in which two configs differ, as `optimizer.lr: 0.1 -> 0.2`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in dict.fromkeys((*before, *after))
            for line in differences(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if before == after else [f"{path}: {before} -> {after}"]
