"""Plain data against the schema: every mistake with its path, every default filled in.

pydantic judges the single values; components, sections and lists of them are taken apart here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Len
from pydantic import ConfigDict, TypeAdapter, ValidationError

from nntrain.annotations import entry, is_nested, item, metadata, options
from nntrain.registry import Registry
from nntrain.schema import LEFT_OUT, Component, Path, Problem, Setting, arguments, component_settings, settings_of
from nntrain.settings import Choice, Parsed, Place
from nntrain.suggest import did_you_mean, nearest
from nntrain.words import a, describe, show

LARGEST = 2**63 - 1  # a whole number in 64 bits
Read = tuple[Any, Any]  # the value that a setting stands for, and its plain form


class Reader:
    """Reads plain data into components, collecting every mistake.

    `absolute` makes the path that a setting gives absolute; by default it is taken from the current folder.
    """

    def __init__(
        self, registry: Registry, absolute: Callable[[Path, str], FilePath] = lambda _, place: FilePath(place).resolve()
    ) -> None:
        self.registry = registry
        self._absolute = absolute
        self.problems: list[Problem] = []
        self.partly_right: dict[Path, Component] = {}  # without their wrong settings, for checks of what needs them

    def component(self, kind: str, data: object, path: Path) -> Component | None:
        """`{type: NAME, setting: value ...}` or `NAME` as a component; None where there is a mistake in it."""
        given = data if isinstance(data, dict) else {"type": data}
        name, names = given.get("type"), self.registry.names(kind)
        where = (*path, "type") if isinstance(data, dict) and "type" in data else path
        if "type" not in given:
            self._report_lack_of_type(given, kind, path)
            return None
        if not isinstance(name, str):
            self._report(where, f"expected the name of {a(kind)}, found {show(name)}; there are {', '.join(names)}")
            return None
        if name not in names:
            self._report(where, f"unknown {kind} '{name}'; {did_you_mean(name, names)}")
            return None
        factory = self.registry.load(kind, name)
        own = {key: value for key, value in given.items() if key != "type"}
        known = component_settings(factory)
        settings, plain, ok = self.settings(known, own, path, name)
        if ok:
            return Component(kind, name, factory, settings, {"type": name, **plain}, path, self.registry)
        if all(setting in settings for setting, about in known.items() if about.is_required):
            reported = len(self.problems)
            right = {key: value for key, value in own.items() if key in settings}
            settings, plain, _ = self.settings(known, right, path, name)  # the others at their defaults
            del self.problems[reported:]
            self.partly_right[path] = Component(
                kind, name, factory, settings, {"type": name, **plain}, path, self.registry
            )
        return None

    def settings(
        self, known: Mapping[str, Setting], given: Mapping[Any, Any], path: Path, owner: str
    ) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """The parsed and the plain settings that are right, defaults filled in; and whether all of them are."""
        before = len(self.problems)
        for key in given:
            if key not in known:
                self._report((*path, key), f"unknown setting of {owner}; {_near_setting(key, known)}", on_key=True)
        parsed: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for name, setting in known.items():
            if name not in given and setting.is_required:
                message = f"{owner} needs the setting '{name}': {describe(setting.annotation)}"
                self.problems.append(Problem(path, message, on_key=True, is_lack=True))
                continue
            if name not in given and setting.default is LEFT_OUT:
                continue
            count = len(self.problems)
            value = _with_default_type(given.get(name, setting.default), setting, self.registry)
            result = self._value(setting.annotation, value, (*path, name))
            if len(self.problems) == count or result[0] is not None:
                parsed[name], plain[name] = result
        return parsed, plain, len(self.problems) == before

    def _value(self, annotation: Any, data: Any, path: Path) -> Read:
        choices = options(annotation)
        if data is None and type(None) in choices:
            return None, None
        nested = [option for option in choices if is_nested(option)]
        plain = [o for o in choices if o not in nested and o is not type(None) and get_origin(o) is not Literal]
        if isinstance(data, str) and any(metadata(option, Place) for option in choices):
            data = str(self._absolute(path, data))
        if not nested:
            return self._leaf(annotation, data, path), data
        if plain and not isinstance(data, str | list | dict):  # the short form of a component, or a duration in steps
            return self._leaf(Union[tuple(plain)], data, path), data  # noqa: UP007
        if _is_word(data, choices):
            return data, data
        option = _of_such_form(nested, data, self.registry)
        parse = metadata(option, Parsed)
        if parse is not None:
            expected = " or ".join(describe(o) for o in (*plain, option))
            return self._parsed(parse, expected, data, path), data
        return self._nested(option, data, path)

    def _nested(self, option: Any, data: Any, path: Path) -> Read:
        choice = metadata(option, Choice)
        if choice is not None:
            component = self.component(choice.kind, _with_implied_type(data, choice), path)
            return component, component.plain if component else None
        if item(option) is not None:
            return self._list(option, data, path)
        if entry(option) is not None:
            return self._by_name(option, data, path)
        return self._section(option, data, path)

    def _parsed(self, how: Parsed, expected: str, data: Any, path: Path) -> Any:
        try:
            return how.parse(data)
        except ValueError as error:
            why = f" ({error})" if str(error) else ""
            self._report(path, f"expected {expected}, found {show(data)}{why}")
            return None

    def _list(self, option: Any, data: Any, path: Path) -> Read:
        if not isinstance(data, list | tuple):
            self._report(path, f"expected {describe(option)}, found {show(data)}")
            return None, None
        size = metadata(option, Len) or Len(0)
        if not size.min_length <= len(data) <= (size.max_length or len(data)):
            self._report(path, f"expected {describe(option)}, found {show(data)}")
        pairs = [self._value(item(option), entry, (*path, i)) for i, entry in enumerate(data)]
        return [parsed for parsed, _ in pairs if parsed is not None], [plain for _, plain in pairs]

    def _by_name(self, option: Any, data: Any, path: Path) -> Read:
        if not isinstance(data, Mapping):
            self._report(path, f"expected {describe(option)}, found {show(data)}")
            return None, None
        pairs = {name: self._value(entry(option), value, (*path, name)) for name, value in data.items()}
        return {name: parsed for name, (parsed, _) in pairs.items()}, {
            name: plain for name, (_, plain) in pairs.items()
        }

    def _section(self, factory: Any, data: Any, path: Path) -> Read:
        """A section, made of what is right in it, so that the rest of the config can be checked with that."""
        if data is None or isinstance(data, factory):  # a signature's default is the section with its defaults
            data = {}
        if not isinstance(data, Mapping):
            self._report(path, f"expected settings ({', '.join(settings_of(factory))}), found {show(data)}")
            return None, None
        known = settings_of(factory)
        settings, plain, _ = self.settings(known, data, path, ".".join(map(str, path)))
        is_whole = all(name in settings for name, setting in known.items() if setting.is_required)
        return factory(**arguments(known, settings)) if is_whole else None, plain

    def _leaf(self, annotation: Any, data: Any, path: Path) -> Any:
        choices = options(annotation)
        if isinstance(data, list) and len(choices) > 1 and any(item(choice) for choice in choices):
            return self._leaf(next(choice for choice in choices if item(choice)), data, path)
        is_tuple = isinstance(data, list) and any(get_origin(choice) is tuple for choice in choices)
        try:
            value = _adapter(annotation).validate_python(tuple(data) if is_tuple else data)
            self._check_size(value, path)
            return value
        except ValidationError as error:
            inner = item(annotation) or entry(annotation)
            wrong = dict.fromkeys(e["loc"][0] for e in error.errors() if e["loc"]) if inner is not None else {}
            for key in wrong:
                self._report((*path, key), f"expected {describe(inner)}, found {show(data[key])}")
            if not wrong:
                hint = _near_literal(annotation, data)
                self._report(path, f"expected {_finite(data)}{describe(annotation)}, found {show(data)}{hint}")
            return None

    def _check_size(self, value: Any, path: Path) -> None:
        """Refuses whole numbers that torch cannot hold."""
        if isinstance(value, list | tuple):
            for i, entry in enumerate(value):
                self._check_size(entry, (*path, i))
        elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
            self._report(path, f"expected a whole number of at most 64 bits (to {LARGEST}), found {show(value)}")

    def _report_lack_of_type(self, given: Mapping[Any, Any], kind: str, path: Path) -> None:
        """Points at a misspelt `type` where there is one, else at the component."""
        for key in given:
            if nearest(key, ["type"]):
                self._report((*path, key), f"unknown setting of {a(kind)}; did you mean 'type'?", on_key=True)
                return
        message = f"needs a type; there are {', '.join(self.registry.names(kind))}"
        self.problems.append(Problem(path, message, is_lack=True))

    def _report(self, path: Path, message: str, on_key: bool = False) -> None:
        self.problems.append(Problem(path, message, on_key))


def _is_word(data: Any, choices: tuple[Any, ...]) -> bool:
    """Whether these choices have it as a word that is no component's name, such as none."""
    return isinstance(data, str) and any(data in get_args(o) for o in choices if get_origin(o) is Literal)


def _with_default_type(given: Any, setting: Setting, registry: Registry) -> Any:
    """Settings of a component without its type are those of the setting's default component."""
    choices = options(setting.annotation)
    is_component = any(metadata(option, Choice) for option in choices) and not _is_word(setting.default, choices)
    are_several = is_by_name(given) or any(_are_names(given, option, registry) for option in choices)
    may_lack_type = isinstance(given, dict) and "type" not in given and not are_several
    if is_component and may_lack_type and isinstance(setting.default, str):
        return {"type": setting.default, **given}
    return given


def _with_implied_type(data: Any, choice: Choice) -> Any:
    """A component without its type, where one of its settings (or what nearly is its name) tells it."""
    if isinstance(data, Mapping) and "type" not in data:
        for setting, name in choice.implied:
            if any(nearest(key, [setting]) for key in data):
                return {"type": name, **data}
    return data


def _of_such_form(nested: Sequence[Any], data: Any, registry: Registry) -> Any:
    """The alternative that data of this form is meant for: several by name, a list, or one."""
    of_names = [option for option in nested if entry(option) is not None]
    by_name = [option for option in of_names if is_by_name(data) or _are_names(data, option, registry)]
    of_form = [option for option in nested if (item(option) is not None) == isinstance(data, list | tuple)]
    return (by_name or of_form or nested)[0]


def _are_names(data: Any, option: Any, registry: Registry) -> bool:
    """Whether these are components in their short form, each under a name: {discriminator: sgd, generator: adam}."""
    choice = metadata(entry(option), Choice) if entry(option) is not None else None
    if choice is None or not isinstance(data, Mapping) or not data or "type" in data:
        return False
    names = registry.names(choice.kind)
    return all(isinstance(value, str) and value in names for value in data.values())


def is_by_name(data: Any) -> bool:
    """Whether these are several components, each under a name, and not the settings of one."""
    if not isinstance(data, Mapping) or "type" in data:
        return False
    kinds = {type(value) for value in data.values()}
    return dict in kinds and kinds <= {dict, str}


def _near_setting(key: object, known: Mapping[str, Setting]) -> str:
    near = nearest(key, ["type", *known])
    return f"did you mean '{near}'?" if near else f"it takes {', '.join(known) or 'none'}"


def _near_literal(annotation: Any, data: object) -> str:
    names = [str(v) for o in options(annotation) if get_origin(o) is Literal for v in get_args(o)]
    near = nearest(data, names) if isinstance(data, str) else None
    return f"; did you mean '{near}'?" if near else ""


def _finite(data: object) -> str:
    return "a finite value, " if isinstance(data, float) and math.isinf(data) else ""


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))
