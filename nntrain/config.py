"""YAML with positions, overrides and `extends`; the only file that knows YAML.

Scalars are those of YAML 1.2's core schema: `1e-3` is a number, `yes` and `on` are text.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from nntrain.errors import UserError
from nntrain.schema import Path, Problem
from nntrain.suggest import nearest

COMMAND_LINE = "command line"
MOST_NODES = 20_000  # aliases of aliases grow exponentially; no honest config is this large

_STR, _MAP = "tag:yaml.org,2002:str", "tag:yaml.org,2002:map"
_SCALARS = {
    "tag:yaml.org,2002:null": re.compile(r"~|null|Null|NULL|"),
    "tag:yaml.org,2002:bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}


@dataclass(frozen=True)
class Mark:
    """A place in a file (line and column count from 1), or an override on the command line."""

    source: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""

    def render(self, message: str) -> str:
        if self.source == COMMAND_LINE:
            return f"{COMMAND_LINE}: {self.text}: {message}"
        head = f"{self.source}:{self.line}:{self.column}: {message}"
        if not self.text.strip():
            return head
        caret = " " * (self.column - 1) + "^" * max(1, min(self.width, len(self.text) - self.column + 1))
        return f"{head}\n{self.line:5} | {self.text}\n      | {caret}"


class ConfigError(UserError):
    """All mistakes of a config, each with its place, sorted by it."""

    def __init__(self, mistakes: Iterable[tuple[Mark, str]]) -> None:
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

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        return ConfigError((self.mark(p.path, p.on_key), str(p)) for p in problems)


def find(name: str) -> FilePath:
    """A config file by its path, else a shipped one by its name (`mlp_digits`)."""
    path = FilePath(name)
    if path.is_file():
        return path
    package = FilePath(__file__).parent
    for folder in (package / "configs", package.parent / "configs"):
        shipped = folder / (name if name.endswith(".yaml") else f"{name}.yaml")
        if "/" not in name and shipped.is_file():
            return shipped
    names = [p.stem for folder in (package / "configs", package.parent / "configs") for p in folder.glob("*.yaml")]
    near = nearest(FilePath(name).stem, names)
    hint = f"; did you mean '{near}', which comes with nntrain?" if near else ""
    raise UserError(f"there is no config file {name}{hint}")


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """The leaves in which two configs differ, as `optimizer.lr: 0.1 -> 0.2`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in dict.fromkeys((*before, *after))
            for line in differences(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
        ]
    return [] if before == after else [f"{path}: {before} -> {after}"]


def load(path: str | FilePath, overrides: Sequence[str] = ()) -> Document:
    """Reads a config file with its `extends` parent and the overrides KEY=VALUE; mistakes are one ConfigError."""
    document = _load_chain(FilePath(path), ())
    return override(document, overrides)


def _load_chain(path: FilePath, below: tuple[FilePath, ...]) -> Document:
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
    merged = _load_chain(parent_path, (*below, path))
    merged.source = document.source
    _merge(merged, document, ())
    return merged


def _merge(parent: Document, child: Document, path: Path) -> None:
    """Merges the child's settings over the parent's, key by key; another `type` drops the parent's settings."""
    theirs, ours = _at(parent.data, path), _at(child.data, path)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if "type" in ours and ours["type"] != theirs.get("type", ours["type"]):
            theirs.clear()
        for key in ours:
            if key in theirs:
                _merge(parent, child, (*path, key))
            else:
                theirs[key] = ours[key]
                _move_marks(child, parent, (*path, key))
        return
    _at(parent.data, path[:-1])[path[-1]] = ours
    _move_marks(child, parent, path)


def _move_marks(source: Document, target: Document, path: Path) -> None:
    """Lets the marks at and below `path` be those of `source`."""
    _drop_marks(target, path)
    for name in ("keys", "values"):
        getattr(target, name).update({p: m for p, m in getattr(source, name).items() if p[: len(path)] == path})


def _drop_marks(document: Document, path: Path) -> None:
    for marks in (document.keys, document.values):
        for below in [p for p in marks if p[: len(path)] == path]:
            del marks[below]


def _at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def override(document: Document, overrides: Sequence[str]) -> Document:
    """Applies KEY=VALUE pairs to a document in place."""
    mistakes: list[tuple[Mark, str]] = []
    seen: dict[str, str] = {}
    for text in overrides:
        mark = Mark(COMMAND_LINE, text=text)
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            mistakes.append((mark, "expected KEY=VALUE, such as optimizer.lr=0.01"))
        elif key in seen:
            mistakes.append((mark, f"{key} is already set by '{seen[key]}'"))
        else:
            seen[key] = text
            try:
                _set(document, _key_path(key.strip()), _parse_value(value, mark), mark)
            except ConfigError as error:
                mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return document


def _key_path(key: str) -> Path:
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


def _parse_value(text: str, mark: Mark) -> Any:
    try:
        document = _parse(text, COMMAND_LINE)
    except ConfigError as error:
        raise ConfigError([(mark, error.mistakes[0][1])]) from None
    return document.data


def _set(document: Document, path: Path, value: Any, mark: Mark) -> None:
    holder: Any = document.data
    for depth, key in enumerate(path[:-1], 1):
        here = path[:depth]
        if isinstance(holder, list):
            if not isinstance(key, int) or key >= len(holder):
                raise ConfigError([(mark, f"{'.'.join(map(str, here))}: the list has {len(holder)} entries, from 0")])
        elif holder.get(key) is None:
            holder[key] = {}
            document.keys[here] = document.values[here] = mark
        if not isinstance(holder[key], dict | list):  # `model: lenet` is short for `model: {type: lenet}`
            document.values[(*here, "type")] = document.values.get(here, mark)
            holder[key] = {"type": holder[key]}
        holder = holder[key]
    last = path[-1]
    if isinstance(holder, list):
        if not isinstance(last, int) or last >= len(holder):
            raise ConfigError([(mark, f"the list has {len(holder)} entries, from 0")])
    elif last == "type" and holder.get("type") != value:
        _drop_settings(document, holder, path[:-1], str(value))
    elif isinstance(holder.get(last), dict) and not isinstance(value, dict) and isinstance(value, str):
        _drop_settings(document, holder[last], path, value)
    holder[last] = value
    _drop_marks(document, path)
    document.keys[path] = document.values[path] = mark


def _drop_settings(document: Document, component: dict[str, Any], path: Path, name: str) -> None:
    """Setting another type drops the old one's settings, and says so."""
    dropped = [key for key in component if key != "type"]
    if dropped:
        where, old = ".".join(map(str, path)), component.get("type")
        document.notes.append(f"{where}: now '{name}'; the settings of '{old}' are dropped ({', '.join(dropped)})")
    component.clear()
    _drop_marks(document, path)


def _read(path: FilePath) -> Document:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not a text file in UTF-8 (byte {error.start} is {error.object[error.start]:#x})"
        ) from None
    except FileNotFoundError:
        raise UserError(f"there is no config file {path}") from None
    except OSError as error:
        raise UserError(f"{path}: the config cannot be read: {error.strerror}") from None
    document = _parse(text, str(path))
    if document.data is None:
        document.data = {}
    if not isinstance(document.data, dict):
        mark = document.mark(())
        raise ConfigError(
            [(mark, f"expected sections such as 'data:' and 'model:', found {type(document.data).__name__}")]
        )
    return document


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer, quoting what YAML 1.2 would read as something other than text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        """Small mappings of single values stand in one line."""
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = bool(node.flow_style) and len(node.value) <= 4
        return node


for _tag, _pattern in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern.pattern})\Z"), None)


def dump(plain: dict[str, Any]) -> str:
    """Plain data as YAML, in the order given, lists of numbers in one line."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def _parse(text: str, source: str) -> Document:
    """YAML text as a document; its `data` may be anything that YAML can hold."""
    lines = text.splitlines()
    document = Document(source, {})
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([(_error_mark(error, source, lines), _say_syntax(error, lines))]) from None
    except yaml.YAMLError as error:
        raise ConfigError([(Mark(source, 1, 1), f"not valid YAML: {error}")]) from None
    except RecursionError:
        raise ConfigError([(Mark(source, 1, 1), "not a config: lists or settings are nested too deeply")]) from None
    if node is None:
        document.data = None  # type: ignore[assignment]
        return document
    builder = _Builder(document, lines)
    try:
        document.data = builder.build(node, ())
    except RecursionError:
        raise ConfigError([(Mark(source, 1, 1), "not a config: lists or settings are nested too deeply")]) from None
    if builder.mistakes:
        raise ConfigError(builder.mistakes)
    return document


def _error_mark(error: yaml.MarkedYAMLError, source: str, lines: list[str]) -> Mark:
    place = error.problem_mark or error.context_mark
    if place is None:
        return Mark(source, 1, 1)
    return Mark(source, place.line + 1, place.column + 1, 1, lines[place.line] if place.line < len(lines) else "")


def _say_syntax(error: yaml.MarkedYAMLError, lines: list[str]) -> str:
    place = error.problem_mark
    if place is not None and place.line < len(lines) and "\t" in lines[place.line][: place.column + 1]:
        return "a tab cannot indent YAML; use spaces"
    return "not valid YAML: " + " ".join(filter(None, (error.context, error.problem)))


class _Builder:
    """Turns PyYAML's nodes into plain data, noting where each key and value stands."""

    def __init__(self, document: Document, lines: list[str]) -> None:
        self.document = document
        self.lines = lines
        self.mistakes: list[tuple[Mark, str]] = []
        self._nodes = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ConfigError(
                [(self._mark(node), f"more than {MOST_NODES} values; aliases may not multiply like this")]
            )
        self.document.values[path] = self._mark(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        if node.tag != _MAP:
            self.mistakes.append((self._mark(node), f"the tag {node.tag} is not allowed in a config"))
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                self.mistakes.append((self._mark(key_node), "expected the name of a setting as text"))
                continue
            here = (*path, key)
            if key in result:
                first = self.document.keys[here].line
                self.mistakes.append(
                    (self._mark(key_node), f"{'.'.join(map(str, here))}: set twice, first in line {first}")
                )
                continue
            self.document.keys[here] = self._mark(key_node)
            result[key] = self.build(value_node, here)
        return result

    def _scalar(self, node: yaml.Node) -> Any:
        text, tag = node.value, node.tag
        if tag != _STR and tag not in _SCALARS:
            self.mistakes.append((self._mark(node), f"the tag {tag} is not allowed in a config"))
            return None
        if tag == _STR:
            return text
        try:
            return _convert(tag.rsplit(":", 1)[1], text)
        except ValueError:
            self.mistakes.append((self._mark(node), f"'{text[:40]}' is not a {tag.rsplit(':', 1)[1]}"))
            return None

    def _mark(self, node: yaml.Node) -> Mark:
        start, end = node.start_mark, node.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        width = end.column - start.column if end.line == start.line else len(line) - start.column
        return Mark(self.document.source, start.line + 1, start.column + 1, max(1, width), line)


def _convert(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
