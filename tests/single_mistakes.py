"""Single mistakes in the shipped configs: every key and component misspelt, every leaf of a wrong type.

Mistakes in different settings do not hide each other, so many of them are tried in one reading.
"""

import copy
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

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
from nntrain.yaml_text import inline

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
WRONG = {"three": "three", "3.5": 3.5, "true": True, "[a]": ["a"], "{a: b}": {"a": "b"}}
OF_ALL = {"extends", "plugins", "stages"}  # sections on which the reading of others depends


class Mistake(NamedTuple):
    """One mistake in a file: in which setting, what is replaced and by what, and what is to be said."""

    path: SettingPath
    mark: Mark
    wrong: str
    message: str
    endings: tuple[str, ...] = ("",)  # of the message
    on_key: bool = False


class Override(NamedTuple):
    """A wrong override on the command line, and how its message may end."""

    path: SettingPath
    text: str
    endings: tuple[str, ...]


Wrong = TypeVar("Wrong", Mistake, Override)


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
        above = (self.document.at(path[:end]) for end in reversed(range(len(path))))
        holder = next(data for data in above if isinstance(data, dict))
        return (*(part for part in path if isinstance(part, str)), holder.get("type"))


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


def misspellings(word: str, others: Iterable[str]) -> Iterator[str]:
    """One-letter mistakes that are not right by accident and that YAML reads as text."""
    others = set(others)
    yield from dict.fromkeys(slip for slip in slips(word) if slip not in ("", *others) and not slip.isdecimal())


def suggestions(wrong: str, names: Iterable[str]) -> tuple[str, ...]:
    """The right endings of a message: any name that one letter makes of it; all names where those are several."""
    names = sorted(names)
    near = [f"did you mean '{name}'?" for name in names if one_slip_apart(wrong, name)]
    return tuple(near) if len(near) == 1 else (*near, f"expected one of {', '.join(names)}")


def together(mistakes: Iterable[Wrong]) -> list[list[Wrong]]:
    """Few groups of mistakes, in each of which none is at, above or below the place of another."""
    groups: list[list[Wrong]] = []
    for mistake in mistakes:
        alone = (group for group in groups if not any(disturb(mistake.path, other.path) for other in group))
        group = next(alone, None)
        if group is None:
            groups.append(group := [])
        group.append(mistake)
    return groups


def disturb(a: SettingPath, b: SettingPath) -> bool:
    return all(x == y for x, y in zip(reach(a), reach(b), strict=False))


def reach(path: SettingPath) -> SettingPath:
    """The place below which everything depends on a setting."""
    if path[0] == "stages":
        path = path[2:]  # which is merged over the same place
    if not path or path[0] in OF_ALL:
        return ()
    return path[:-1] if path[-1] == "type" else path


def edited(config: Path, mistakes: Iterable[Mistake]) -> tuple[str, dict[Mistake, Mark]]:
    """The config with other text at some places, and where these now are."""
    lines = config.read_text(encoding="utf-8").splitlines()
    places, moved = {}, dict.fromkeys(range(len(lines)), 0)
    for mistake in sorted(mistakes, key=lambda mistake: (mistake.mark.line, mistake.mark.column)):
        mark, row = mistake.mark, mistake.mark.line - 1
        start = mark.column - 1 + moved[row]
        lines[row] = lines[row][:start] + mistake.wrong + lines[row][start + mark.width :]
        moved[row] += len(mistake.wrong) - mark.width
        places[mistake] = Mark(mark.source, mark.line, start + 1, len(mistake.wrong), lines[row])
    return "\n".join(lines) + "\n", places


def misspelt_settings(config: Path) -> Iterator[Mistake]:
    ours = shipped(config)
    for path, mark in ours.document.keys.items():
        if path not in ours.named_by_task:
            names = ours.names.get(path, {str(path[-1])})
            wrong = next(misspellings(str(path[-1]), names))
            message = f"{'.'.join(map(str, (*path[:-1], wrong)))}: unknown setting"
            yield Mistake(path, mark, wrong, message, suggestions(wrong, names), on_key=True)


def misspelt_components(config: Path) -> Iterator[Mistake]:
    ours = shipped(config)
    for path, kind, names in ours.components():
        wrong = next(misspellings(ours.document.at(path), names))
        yield Mistake(path, ours.document.values[path], wrong, f"unknown {kind} '{wrong}'", suggestions(wrong, names))


def wrong_types(config: Path) -> Iterator[Mistake]:
    ours = shipped(config)
    for path in ours.leaves():
        for wrong in ours.wrong_values(path):
            may_be_settings = wrong == "{a: b}"  # of a component, or of one of several, that lacks something else
            message = "" if may_be_settings or path[-1] == "type" else "expected"
            yield Mistake(path, ours.document.values[path], wrong, message)


def wrong_overrides(config: Path) -> Iterator[Override]:
    """Overrides of each leaf with one mistake."""
    ours = shipped(config)
    for path in ours.leaves():
        *above, key = map(str, path)
        if "." in key:
            continue  # a pattern, which no path of settings can name
        if not key.isdecimal():
            names = ours.names.get(path, {key})
            wrong = next(misspellings(key, names))
            text = f"{'.'.join((*above, wrong))}={inline(ours.document.at(path))}"
            yield Override(path, text, suggestions(wrong, names))
        for wrong in ours.wrong_values(path):
            yield Override(path, f"{'.'.join((*above, key))}={wrong}", ("",))
    for path, _, names in ours.components():
        whole = ".".join(map(str, path[:-1] if path[-1] == "type" else path))
        wrong = next(misspellings(ours.document.at(path), names))
        for key in (whole, f"{whole}.type"):
            yield Override(path, f"{key}={wrong}", suggestions(wrong, names))
