"""Single mistakes in the shipped configs: every key and component misspelt, every leaf of a wrong type.

A setting that several configs share is misspelt in every way in the first of them, and in one way in the others.
"""

import copy
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from conftest import ROOT
from nntrain.annotations import entry, item, metadata, options
from nntrain.config import load
from nntrain.document import Mark
from nntrain.experiment import Experiment
from nntrain.schema import Path as SettingPath
from nntrain.schema import component_settings, settings_of
from nntrain.sections import registry_of
from nntrain.settings import Choice, Parsed
from nntrain.stages import stages_of

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
WRONG = {"three": "three", "3.5": 3.5, "true": True, "[a]": ["a"], "{a: b}": {"a": "b"}}
Mistake = tuple[Mark, str, str]  # what is replaced in the file, by what, and what is to be said


class Shipped:
    """A config with the annotation of each of its settings, and the names that each may have."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = load(path)
        self.registry = registry_of(self.document)
        self.annotations: dict[SettingPath, Any] = {}
        self.names: dict[SettingPath, set[str]] = {}
        self.named_by_task: set[SettingPath] = set()  # keys that the reader cannot know: the names of objectives
        self._walk(settings_of(Experiment), self.document.data, ())
        for number, stage in enumerate(self.document.data.get("stages", [])):
            self._stage(number, stage)

    def _stage(self, number: int, stage: dict[str, Any]) -> None:
        """What stands in a stage has the annotations that it has in the whole config of that stage."""
        whole = copy.copy(self)
        whole.annotations, whole.names = {}, {}
        whole._walk(settings_of(Experiment), stages_of(self.document)[number].data, ())
        for path in paths(stage):
            for mine, theirs in ((self.annotations, whole.annotations), (self.names, whole.names)):
                mine.update({("stages", number, *path): theirs[path]} if path in theirs else {})
        self.named_by_task |= {("stages", number, *path) for path in whole.named_by_task}

    def _walk(self, known: Any, data: dict[str, Any], path: SettingPath) -> None:
        for key, value in data.items():
            self.names[(*path, key)] = {*known, *(["type"] if path else ["extends"])}
            if key in known:
                self._value(known[key].annotation, value, (*path, key), known[key].default)

    def _value(self, annotation: Any, value: Any, path: SettingPath, default: Any = None) -> None:
        self.annotations[path] = annotation
        for option in options(annotation):
            choice, of_list, by_name = metadata(option, Choice), item(option), entry(option)
            if isinstance(value, list) and of_list is not None:
                for i, inner in enumerate(value):
                    self._value(of_list, inner, (*path, i))
            elif isinstance(value, dict) and by_name is not None and "type" not in value:
                for name, inner in value.items():
                    self.named_by_task.add((*path, name))
                    self._value(by_name, inner, (*path, name))
            elif isinstance(value, dict) and choice is not None and isinstance(value.get("type", default), str):
                if not isinstance(value.get("type"), str) and all(isinstance(v, dict) for v in value.values()):
                    continue
                component = self.registry.load(choice.kind, value.get("type", default))
                self._walk(component_settings(component), value, path)
                self.annotations[(*path, "type")] = annotation
            elif isinstance(value, dict) and getattr(option, "is_section", False):
                self._walk(settings_of(option), value, path)

    def leaves(self) -> Iterator[SettingPath]:
        for path in self.document.values:
            if path and not isinstance(self.document.at(path), dict | list):
                yield path

    def components(self) -> Iterator[tuple[SettingPath, str, list[str]]]:
        """Where the names of components stand, what kind they are of, and which there are."""
        for path in self.leaves():
            for option in options(self.annotations.get(path)):
                choice = metadata(option, Choice)
                if choice and self.document.at(path) in self.registry.names(choice.kind):
                    yield path, choice.kind, self.registry.names(choice.kind)

    def wrong_values(self, path: SettingPath) -> Iterator[str]:
        """YAML of another type than a leaf's."""
        for text, value in WRONG.items():
            if not any(takes(option, value) for option in options(self.annotations.get(path, dict))):
                yield text

    def owner(self, path: SettingPath) -> tuple[Any, ...]:
        """What a setting is one of, whatever config it stands in."""
        holder = self.document.at(path[:-1])
        return (*(part for part in path if isinstance(part, str)), holder.get("type") if path[1:] else None)


def paths(data: Any, above: SettingPath = ()) -> Iterator[SettingPath]:
    """The paths of all settings and entries that data has."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield (*above, key)
        yield from paths(value, (*above, key))


def takes(option: Any, value: Any) -> bool:
    """Whether a value is of a type that a setting may have, whatever its range."""
    parsed = metadata(option, Parsed)
    if metadata(option, Choice) or getattr(option, "is_section", False):
        return False
    if parsed is not None:
        try:
            return parsed.parse(value) is not None
        except ValueError:
            return False
    plain = get_args(option)[0] if hasattr(option, "__metadata__") else option
    wide: dict[Any, tuple[type, ...]] = {float: (int, float), tuple: (list,), NoneType: (NoneType,)}
    kind = get_origin(plain) or plain
    return type(value) in wide.get(kind, (kind,))


@cache
def shipped(config: Path) -> Shipped:
    return Shipped(config)


@cache
def first_with() -> dict[tuple[Any, ...], Path]:
    """The first config that has each setting or component."""
    first: dict[tuple[Any, ...], Path] = {}
    for config in CONFIGS:
        for path in shipped(config).document.keys:
            first.setdefault(shipped(config).owner(path), config)
        for path, kind, _ in shipped(config).components():
            first.setdefault((kind, shipped(config).document.at(path)), config)
    return first


def slips(word: str) -> Iterator[str]:
    """The word with one letter left out, doubled, replaced, or swapped with the next; in the middle first."""
    middle = len(word) // 2
    for i in (*range(middle, len(word)), *range(middle)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        yield word[:i] + "q" + word[i + 1 :]
        yield word[:i] + word[i + 1 : i + 2] + word[i : i + 1] + word[i + 2 :]


def one_slip_apart(a: str, b: str) -> bool:
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return max(len(a), len(b)) <= 1 or (len(a) == 2 and a == b[::-1])


def misspellings(word: str, others: set[str] | list[str], all_of_them: bool) -> list[str]:
    """One-letter mistakes that are not right by accident and that YAML reads as text."""
    wrong = dict.fromkeys(slip for slip in slips(word) if slip not in ("", *others) and not slip.isdecimal())
    return list(islice(wrong, None if all_of_them else 1))


def suggestions(wrong: str, names: set[str] | list[str]) -> list[str]:
    """The right endings of a message: any name that one letter makes of it; all names where those are several."""
    near = [f"did you mean '{name}'?" for name in names if one_slip_apart(wrong, name)]
    return near if len(near) == 1 else [*near, f"expected one of {', '.join(sorted(names))}"]


def edited(config: Path, mark: Mark, text: str) -> str:
    """The config with other text at a place."""
    lines = config.read_text(encoding="utf-8").splitlines()
    line = lines[mark.line - 1]
    lines[mark.line - 1] = line[: mark.column - 1] + text + line[mark.column - 1 + mark.width :]
    return "\n".join(lines) + "\n"


def misspelt_settings(config: Path) -> Iterator[Mistake]:
    ours = shipped(config)
    for path, mark in ours.document.keys.items():
        if path in ours.named_by_task:
            continue
        names = ours.names.get(path, {str(path[-1])})
        for wrong in misspellings(str(path[-1]), names, first_with()[ours.owner(path)] == config):
            yield mark, wrong, f"{'.'.join(map(str, (*path[:-1], wrong)))}: unknown setting"


def misspelt_components(config: Path) -> Iterator[Mistake]:
    ours = shipped(config)
    for path, kind, names in ours.components():
        name = ours.document.at(path)
        for wrong in misspellings(name, names, first_with()[kind, name] == config):
            yield ours.document.values[path], wrong, f"unknown {kind} '{wrong}'"


def wrong_types(config: Path) -> Iterator[Mistake]:
    ours = shipped(config)
    for path in ours.leaves():
        for wrong in ours.wrong_values(path):
            is_component = any(metadata(option, Choice) for option in options(ours.annotations.get(path, dict)))
            may_be_default = is_component and wrong == "{a: b}"  # whose settings these are then taken for
            yield ours.document.values[path], wrong, "" if may_be_default or path[-1] == "type" else "expected"
