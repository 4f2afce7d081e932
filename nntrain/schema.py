"""The signature is the schema: what stands before `*` the program passes, what stands after it YAML sets.

Types, ranges and defaults come from the annotations, help from the docstring.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, ClassVar, get_type_hints

from nntrain.annotations import item, options
from nntrain.clock import Duration
from nntrain.errors import MismatchError, UnfitError, UserError
from nntrain.registry import KINDS, Registry

Path = tuple[str | int, ...]
REQUIRED = inspect.Parameter.empty
LEFT_OUT = object()  # the default of a setting that need not be there


@dataclass(frozen=True)
class Problem:
    """One mistake: where (a path into the plain data), what, and whether the key or the value is meant.

    `is_lack` says that something is only missing, which a part of a config may be.
    """

    path: Path
    message: str
    on_key: bool = False
    is_lack: bool = False

    def __str__(self) -> str:
        where = ".".join(map(str, self.path))
        return f"{where}: {self.message}" if where else self.message


@dataclass(frozen=True)
class Setting:
    """One setting of a component, read off its signature and docstring.

    `parameter` is its name in the signature: `from_`, where Python has another use for the setting's name.
    """

    name: str
    annotation: Any
    default: Any
    help: str
    parameter: str

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED


@cache
def settings_of(factory: Callable[..., Any]) -> dict[str, Setting]:
    """The settings of a class or function: its keyword-only parameters."""
    known = getattr(factory, "known_settings", None)
    if known is not None:
        return known
    target = _called(factory)
    hints = get_type_hints(target, include_extras=True)
    helps = _setting_helps(inspect.getdoc(factory) or "")
    fields = getattr(factory, "__dataclass_fields__", {})
    parameters = [p for p in inspect.signature(target).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for parameter in parameters:
        if parameter.name not in hints:
            where = f"{inspect.getsourcefile(target)}: {factory.__name__}"
            raise UserError(
                f"{where}: the setting '{parameter.name}' has no type; write {parameter.name}: int or the like"
            )
    named = {p.name.removesuffix("_"): p for p in parameters}
    return {
        name: Setting(name, hints[p.name], _plain_default(p, fields.get(p.name)), helps.get(name, ""), p.name)
        for name, p in named.items()
    }


def arguments(known: Mapping[str, Setting], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some settings that are known, as the signature names them."""
    return {known[name].parameter: value for name, value in settings.items() if name in known}


def _called(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose signature counts."""
    return vars(factory).get("__init__", factory.__init__) if isinstance(factory, type) else factory  # type: ignore[misc]


def _plain_default(parameter: inspect.Parameter, field: dataclasses.Field[Any] | None) -> Any:
    """A default as YAML would say it."""
    if field is not None and field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _plain(parameter.default)


def _plain(default: Any) -> Any:
    if isinstance(default, tuple | list):
        return [_plain(entry) for entry in default]
    return str(default) if isinstance(default, Duration) else default


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

    def __call__(self, *given: Any) -> Any:
        """Makes the component; UnfitError, with the component's path, where it cannot work with its arguments."""
        own = settings_of(self.factory)
        inner = partial(self.factory, **arguments(own, self.settings))
        within = getattr(self.factory, "within", None)
        try:
            self._check(given)
            if within is None:
                return inner(*given)
            return within(inner, *given, **arguments(settings_of(within), self.settings))
        except UnfitError as error:
            error.locate(self.path)
            raise

    def takes(self, parameter: str) -> bool:
        """Whether the program passes this parameter."""
        return parameter in _positional(self.factory)

    def suits(self, argument: Any) -> bool:
        """Whether it takes this as its first argument."""
        taken = next(iter(_positional(self.factory).values()), ())
        return not taken or isinstance(argument, taken)

    def _check(self, given: tuple[Any, ...]) -> None:
        """Refuses inputs and targets of another kind than the signature names."""
        for argument, taken in zip(given, _positional(self.factory).values(), strict=False):
            if taken and hasattr(type(argument), "plural") and not isinstance(argument, taken):
                words = " or ".join(t.plural for t in taken)
                raise MismatchError(self.name, words, argument, self.others(type(argument)))

    def others(self, given: type[Any], asked: type[Any] | None = None) -> str:
        """The components of this kind that do take what was given, and make what is asked, if anything."""
        names = [name for name in self.registry.names(self.kind) if self._fits(name, given, asked)]
        words = given.plural.partition(" (")[0]
        if asked is not None and not _gets_head(asked):
            words = f"{words} and make {asked.plural.partition(' (')[0]}"
        kinds = KINDS[self.kind].folder
        return f"{kinds} that take {words}: {', '.join(names)}" if names else f"no {self.kind} takes {words} yet"

    def _fits(self, name: str, given: type[Any], asked: type[Any] | None) -> bool:
        first, *rest = _positional(self.registry.load(self.kind, name)).values() or [()]
        if asked is None:
            return any(given in taken for taken in (first, *rest))
        return given in first and (asked in rest[0] if rest else _gets_head(asked))


def _gets_head(asked: type[Any]) -> bool:
    """Whether outputs of a kind are made by a head, which is put on any body."""
    return hasattr(asked, "per_position") and not getattr(asked, "is_made_whole", False)


@cache
def _positional(factory: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """The parameters before `*`, which the program passes, and the types that each may have."""
    hints = get_type_hints(_called(factory))
    names = [
        p.name
        for p in inspect.signature(factory).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    types = {name: options(hints[name]) if name in hints else () for name in names}
    return {name: tuple(t for t in taken if hasattr(t, "plural")) for name, taken in types.items()}


def component_settings(factory: Callable[..., Any]) -> dict[str, Setting]:
    """A component's own settings and those of what it stands within."""
    within = getattr(factory, "within", None)
    around = settings_of(within) if within is not None else {}
    return {**settings_of(factory), **{name: _spelt_out(setting, factory) for name, setting in around.items()}}


def _spelt_out(setting: Setting, factory: Callable[..., Any]) -> Setting:
    """A setting that is a list of sections which vary with the component, with those of this one."""
    inner = item(setting.annotation)
    return replace(setting, annotation=list[_variation(inner, factory)]) if getattr(inner, "varies", False) else setting  # type: ignore[misc]


@cache
def _variation(section: Any, factory: Callable[..., Any]) -> Any:
    """The section with all settings of the component as well."""
    own = settings_of(section)
    others = {name: replace(s, default=LEFT_OUT) for name, s in settings_of(factory).items() if name not in own}

    class Variation(section):  # type: ignore[misc]
        known_settings: ClassVar[dict[str, Setting]] = {**own, **others}

        def __init__(self, **given: Any) -> None:
            super().__init__(arguments(others, given), **arguments(own, given))

    return Variation
