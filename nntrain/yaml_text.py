"""YAML text with positions, in and out; the only file that knows YAML.

Scalars are those of YAML 1.2's core schema: `1e-3` is a number, `yes` and `on` are text.
"""

import re
from itertools import accumulate
from typing import Any

import yaml

from nntrain.document import ConfigError, Document, Mark
from nntrain.schema import Path

MOST_NODES = 20_000  # aliases of aliases grow exponentially; no honest config is this large
MOST_LETTERS = 200_000  # PyYAML reads some ten thousand a second; a config of this size is some other file
MOST_DEEP = 100
MOST_DIGITS = 400  # more than any number that fits a float needs

_TAG = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ = f"{_TAG}str", f"{_TAG}map", f"{_TAG}seq"
_SCALARS = {
    f"{_TAG}null": re.compile(r"~|null|Null|NULL|"),
    f"{_TAG}bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    f"{_TAG}int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    f"{_TAG}float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}
_HALF = re.compile(r"[\ud800-\udfff]")
_WORDS = {"int": "whole number", "float": "number", "bool": "true or false", "null": "null"}


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


def inline(value: Any) -> str:
    """A single value, or a list or mapping of such, as YAML in one line."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def parse(text: str, source: str) -> Document:
    """YAML text as a document; its `data` may be anything that YAML can hold."""
    if len(text) > MOST_LETTERS:
        raise ConfigError([(Mark(source, 1, 1), f"not a config: it has more than {MOST_LETTERS:,} letters")])
    if _depth(text) > MOST_DEEP:
        raise ConfigError([(Mark(source, 1, 1), "not a config: lists or settings are nested too deeply")])
    lines = text.splitlines()
    document = Document(source, {})
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_error(error, source, lines)]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([_character_error(error, text, source)]) from None
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


def _depth(text: str) -> int:
    """About how deep brackets are nested, which PyYAML takes long over."""
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text)), default=0)


def _syntax_error(error: yaml.MarkedYAMLError, source: str, lines: list[str]) -> tuple[Mark, str]:
    """Where the text is not YAML, and why."""
    place = error.problem_mark or error.context_mark
    if place is None:
        return Mark(source, 1, 1), f"not valid YAML: {error}"
    line = lines[place.line] if place.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    why = "not valid YAML: " + " ".join(filter(None, (error.context, error.problem)))
    if "\t" in indent:
        why = "a tab cannot indent YAML; use spaces"
    return Mark(source, place.line + 1, place.column + 1, 1, line), why


def _character_error(error: yaml.reader.ReaderError, text: str, source: str) -> tuple[Mark, str]:
    """Where a character stands that YAML does not allow."""
    before = text[: error.position]
    line, column = before.count("\n") + 1, error.position - before.rfind("\n")
    return Mark(source, line, column), f"not valid YAML: the character {text[error.position]!r} is not allowed"


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
            self._check_tag(node, _SEQ)
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        self._check_tag(node, _MAP)
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
        if half := _HALF.search(text):
            self.mistakes.append((self._mark(node), f"not text: {half[0]!r} is half of a character"))
            return None
        if tag == _STR or not self._check_tag(node, *_SCALARS):
            return text
        kind = tag.removeprefix(_TAG)
        try:
            return _convert(kind, text)
        except ValueError:
            self.mistakes.append((self._mark(node), f"'{text[:40]}' is not a {_WORDS[kind]}"))
            return None

    def _check_tag(self, node: yaml.Node, *allowed: str) -> bool:
        if node.tag in allowed:
            return True
        self.mistakes.append((self._mark(node), f"the tag {node.tag} is not allowed in a config"))
        return False

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
    if tag == "int" and len(text) > MOST_DIGITS:
        raise ValueError
    if tag == "int":
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
