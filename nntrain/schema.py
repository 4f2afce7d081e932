"""Plain data against component signatures: every mistake with its path, every default filled in.

The signature is the schema. What stands before `*` the program passes; what stands after it YAML sets. Types,
ranges and defaults come from the annotations, help from the docstring; pydantic judges the single values.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from nntrain.clock import Duration
from nntrain.errors import MismatchError, UnfitError
from nntrain.registry import KINDS, Registry
from nntrain.settings import Choice, Parsed
from nntrain.suggest import did_you_mean, nearest

T = TypeVar("T")
Path = tuple[str | int, ...]
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Problem:
    """One mistake: where (a path into the plain data), what, and whether the key or the value is meant."""

    path: Path
    message: str
    on_key: bool = False

    def __str__(self) -> str:
        where = ".".join(map(str, self.path))
        return f"{where}: {self.message}" if where else self.message


@dataclass(frozen=True)
class Setting:
    """One setting of a component, read off its signature and docstring."""

    name: str
    annotation: Any
    default: Any
    help: str

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED


@cache
def settings_of(factory: Callable[..., Any]) -> dict[str, Setting]:
    """The settings of a class or function: its keyword-only parameters."""
    target = _called(factory)
    hints = get_type_hints(target, include_extras=True)
    helps = _setting_helps(inspect.getdoc(factory) or "")
    fields = getattr(factory, "__dataclass_fields__", {})
    return {
        p.name: Setting(p.name, hints[p.name], _plain_default(p, fields.get(p.name)), helps.get(p.name, ""))
        for p in inspect.signature(target).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


def _called(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose signature counts."""
    return vars(factory).get("__init__", factory.__init__) if isinstance(factory, type) else factory  # type: ignore[misc]


def _plain_default(parameter: inspect.Parameter, field: dataclasses.Field[Any] | None) -> Any:
    """A default as YAML would say it."""
    if field is not None and field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return str(parameter.default) if isinstance(parameter.default, Duration) else parameter.default


def _setting_helps(doc: str) -> dict[str, str]:
    """The lines `name: what it does` below `Settings:` in a docstring, joined where they go on indented."""
    section = re.search(r"^Settings:\n((?:[ \t]+\S.*\n?)+)", doc + "\n", re.MULTILINE)
    if section is None:
        return {}
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {6,}\S.*)*)", section[1], re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


@dataclass(frozen=True)
class Component:
    """A checked component: a callable that awaits what the program passes.

    `plain` is what YAML would say, with every default filled in; `path` is where it stands in the config.
    """

    kind: str
    name: str
    factory: Callable[..., Any]
    settings: Mapping[str, Any]
    plain: dict[str, Any]
    path: Path
    registry: Registry

    def __call__(self, *arguments: Any) -> Any:
        """Makes the component; UnfitError, with the component's path, where it cannot work with its arguments."""
        own = settings_of(self.factory)
        inner = partial(self.factory, **{k: v for k, v in self.settings.items() if k in own})
        within = getattr(self.factory, "within", None)
        try:
            self._check(arguments)
            if within is None:
                return inner(*arguments)
            return within(inner, *arguments, **{k: v for k, v in self.settings.items() if k not in own})
        except UnfitError as error:
            error.locate(self.path)
            raise

    def takes(self, parameter: str) -> bool:
        """Whether the program passes this parameter."""
        return parameter in _positional(self.factory)

    def _check(self, arguments: tuple[Any, ...]) -> None:
        """Refuses inputs and targets of another kind than the signature names."""
        for argument, taken in zip(arguments, _positional(self.factory).values(), strict=False):
            if taken and hasattr(type(argument), "plural") and not isinstance(argument, taken):
                raise MismatchError(
                    self.name, " or ".join(t.plural for t in taken), argument, self._others(type(argument))
                )

    def _others(self, given: type[Any]) -> str:
        """The components of this kind that do take what was given."""
        names = [
            name
            for name in self.registry.names(self.kind)
            if any(given in taken for taken in _positional(self.registry.load(self.kind, name)).values())
        ]
        words = given.plural.partition(" (")[0]
        kinds = KINDS[self.kind].folder
        return f"{kinds} that take {words}: {', '.join(names)}" if names else f"no {self.kind} takes {words} yet"


@cache
def _positional(factory: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """The parameters before `*`, which the program passes, and the types that each may have."""
    hints = get_type_hints(_called(factory))
    names = [
        p.name
        for p in inspect.signature(factory).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    options = {name: _options(hints[name]) if name in hints else () for name in names}
    return {name: tuple(t for t in types if hasattr(t, "plural")) for name, types in options.items()}


def component_settings(factory: Callable[..., Any]) -> dict[str, Setting]:
    """A component's own settings and those of what it stands within."""
    within = getattr(factory, "within", None)
    return {**settings_of(factory), **(settings_of(within) if within is not None else {})}


class Reader:
    """Reads plain data into components, collecting every mistake."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Problem] = []

    def component(self, kind: str, data: object, path: Path) -> Component | None:
        """`{type: NAME, setting: value ...}` or `NAME` as a component; None where there is a mistake in it."""
        given = data if isinstance(data, dict) else {"type": data}
        name = given.get("type")
        if not isinstance(name, str):
            what = "needs a type" if "type" not in given else f"expected the name of a {kind}, found {show(name)}"
            self._report(path if "type" not in given else self._type_path(data, path), f"{what}; {self._known(kind)}")
            return None
        if name not in self.registry.names(kind):
            hint = did_you_mean(name, self.registry.names(kind))
            self._report(self._type_path(data, path), f"unknown {kind} '{name}'; {hint}")
            return None
        factory = self.registry.load(kind, name)
        settings, plain, ok = self.settings(
            component_settings(factory), {k: v for k, v in given.items() if k != "type"}, path, name
        )
        if not ok:
            return None
        return Component(kind, name, factory, settings, {"type": name, **plain}, path, self.registry)

    def settings(
        self, known: Mapping[str, Setting], given: Mapping[Any, Any], path: Path, owner: str
    ) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """The parsed and the plain settings, defaults filled in, and whether all of them are right."""
        before = len(self.problems)
        for key in given:
            if key not in known:
                self._report((*path, key), f"unknown setting of {owner}; {self._near_setting(key, known)}", on_key=True)
        parsed: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for name, setting in known.items():
            if name not in given and setting.is_required:
                self._report(path, f"{owner} needs the setting '{name}': {describe(setting.annotation)}", on_key=True)
                continue
            count = len(self.problems)
            value = given.get(name, setting.default)
            result = self._value(setting.annotation, value, (*path, name))
            if len(self.problems) == count:
                parsed[name], plain[name] = result
        return parsed, plain, len(self.problems) == before

    def _value(self, annotation: Any, data: Any, path: Path) -> tuple[Any, Any]:
        """The value that a setting stands for, and its plain form; a mistake is reported."""
        options = _options(annotation)
        if data is None and type(None) in options:
            return None, None
        nested = [option for option in options if _is_nested(option)]
        if not nested:
            return self._leaf(annotation, data, path), data
        if isinstance(data, str) and any(data in get_args(o) for o in options if get_origin(o) is Literal):
            return data, data
        return self._nested(nested[0], data, path)

    def _nested(self, option: Any, data: Any, path: Path) -> tuple[Any, Any]:
        choice = _metadata(option, Choice)
        if choice is not None:
            component = self.component(choice.kind, data, path)
            return component, component.plain if component else None
        parse = _metadata(option, Parsed)
        if parse is not None:
            return self._parsed(parse, data, path), data
        if get_origin(option) is list:
            return self._list(get_args(option)[0], data, path)
        return self._section(option, data, path)

    def _parsed(self, how: Parsed, data: Any, path: Path) -> Any:
        try:
            return how.parse(data)
        except ValueError as error:
            why = f" ({error})" if str(error) else ""
            self._report(path, f"expected {how.expected}, found {show(data)}{why}")
            return None

    def _list(self, item: Any, data: Any, path: Path) -> tuple[Any, Any]:
        if not isinstance(data, list | tuple):
            self._report(path, f"expected a list of {describe(item)}, found {show(data)}")
            return None, None
        pairs = [self._value(item, entry, (*path, i)) for i, entry in enumerate(data)]
        return [parsed for parsed, _ in pairs], [plain for _, plain in pairs]

    def _section(self, factory: Any, data: Any, path: Path) -> tuple[Any, Any]:
        if data is None or isinstance(data, factory):  # a signature's default is the section with its defaults
            data = {}
        if not isinstance(data, Mapping):
            self._report(path, f"expected settings ({', '.join(settings_of(factory))}), found {show(data)}")
            return None, None
        settings, plain, ok = self.settings(settings_of(factory), data, path, ".".join(map(str, path)))
        return (factory(**settings) if ok else None), plain

    def _leaf(self, annotation: Any, data: Any, path: Path) -> Any:
        try:
            return _adapter(annotation).validate_python(data)
        except ValidationError as error:
            if get_origin(annotation) is list and isinstance(data, list):
                for where in sorted({int(e["loc"][0]) for e in error.errors() if e["loc"]}):
                    item = get_args(annotation)[0]
                    self._report((*path, where), f"expected {describe(item)}, found {show(data[where])}")
            if not any(p.path[: len(path)] == path for p in self.problems):
                self._report(
                    path,
                    f"expected {describe(annotation)}, found {show(data)}{_near_literal(annotation, data)}",
                )
            return None

    def _report(self, path: Path, message: str, on_key: bool = False) -> None:
        self.problems.append(Problem(path, message, on_key))

    def _type_path(self, data: object, path: Path) -> Path:
        return (*path, "type") if isinstance(data, dict) else path

    def _known(self, kind: str) -> str:
        return f"there are {', '.join(self.registry.names(kind))}"

    def _near_setting(self, key: object, known: Mapping[str, Setting]) -> str:
        near = nearest(key, known)
        return f"did you mean '{near}'?" if near else f"it takes {', '.join(known) or 'none'}"


def describe(annotation: Any) -> str:
    """A type in words: "a number greater than 0", "one of relu, tanh", "a list of whole numbers"."""
    parts = [_describe_one(option) for option in _options(annotation)]
    return " or ".join(dict.fromkeys(parts))


def show(value: object) -> str:
    """A value as a user would write it, shortened."""
    if isinstance(value, str):
        text = repr(value)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    elif isinstance(value, dict):
        text = "settings (" + ", ".join(map(str, value)) + ")"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


_NAMES = {float: "a number", int: "a whole number", str: "text", bool: "true or false", type(None): "null"}
_BOUNDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}


def _describe_one(option: Any) -> str:
    for metadata in getattr(option, "__metadata__", ()):
        if isinstance(metadata, Choice):
            return f"a {metadata.kind}"
        if isinstance(metadata, Parsed):
            return metadata.expected
    if get_origin(option) is Annotated:
        bounds = [
            f"{_BOUNDS[name]} {_bound(getattr(m, name))}"
            for m in option.__metadata__
            for name in _BOUNDS
            if hasattr(m, name)
        ]
        return " ".join([_describe_one(get_args(option)[0]), " and ".join(bounds)]).strip()
    if get_origin(option) is Literal:
        values = [str(v) for v in get_args(option)]
        return values[0] if len(values) == 1 else "one of " + ", ".join(values)
    if get_origin(option) is list:
        return "a list, each " + describe(get_args(option)[0])
    if _is_nested(option):
        return "settings (" + ", ".join(settings_of(option)) + ")"
    return _NAMES.get(option, str(option))


def _bound(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _metadata(annotation: Any, kind: type[T]) -> T | None:
    return next((m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, kind)), None)


def _is_nested(option: Any) -> bool:
    """Whether a type is read by nntrain rather than by pydantic: components, sections, durations, lists of such."""
    if get_origin(option) is list:
        return any(_is_nested(inner) for inner in _options(get_args(option)[0]))
    return (
        _metadata(option, Choice) is not None
        or _metadata(option, Parsed) is not None
        or getattr(option, "is_section", False)
    )


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def _near_literal(annotation: Any, data: object) -> str:
    names = [str(v) for o in _options(annotation) if get_origin(o) is Literal for v in get_args(o)]
    near = nearest(data, names) if isinstance(data, str) else None
    return f"; did you mean '{near}'?" if near else ""
