"""Every setting of every component and section is read by the code: none is accepted and then ignored."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import nntrain
from nntrain.annotations import item, options
from nntrain.experiment import Experiment
from nntrain.registry import KINDS, Registry
from nntrain.schema import settings_of

PACKAGE = Path(nntrain.__file__).parent
PROGRAM = "*.py", "*/__init__.py"  # what is no component
BY_NAME = {"name", "plugins"}  # of a config: read off its plain form before there is an experiment


def factories(registry: Registry) -> Iterator[Any]:
    """Whatever has settings: components of all kinds, what they stand within, and the sections of all of these."""
    yield from sections(Experiment)
    for kind in KINDS:
        for name in registry.names(kind):
            component = registry.load(kind, name)
            yield from sections(component)
            if component.within is not None:
                yield from sections(component.within)


def sections(factory: Any) -> Iterator[Any]:
    yield factory
    for setting in settings_of(factory).values():
        for option in options(setting.annotation):
            for inner in options(item(option) or option):
                if getattr(inner, "is_section", False):
                    yield from sections(inner)


def unread(factory: Any) -> set[str]:
    """The settings that are neither used where they come in nor read off what they were kept as."""
    kept = kept_as(factory)
    others = parameters_of(factory) - kept.keys()
    return {name for name, attributes in kept.items() if not attributes & attributes_read_of(factory)} | (
        others - names_used(factory)
    )


def kept_as(factory: Any) -> dict[str, set[str]]:
    """The settings with which nothing is done but to keep them on `self`, and the names of these attributes."""
    if getattr(factory, "__dataclass_fields__", None):
        return {name: {name} for name in settings_of(factory)}
    pairs = list(assignments(entrance(factory)))
    keeping = {id(value) for _, value in pairs}
    used = {n.id for n in ast.walk(entrance(factory)) if is_loaded(n, ast.Name) and id(n) not in keeping}
    kept = {value.id for _, value in pairs} & parameters_of(factory) - used
    return {name: {target.attr for target, value in pairs if value.id == name} for name in kept}


def parameters_of(factory: Any) -> set[str]:
    """The settings as the signature names them."""
    return {setting.parameter for setting in settings_of(factory).values()}


def assignments(function: ast.AST) -> Iterator[tuple[ast.Attribute, ast.Name]]:
    """Each `self.attribute = name`, also with a type or several in one line."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from matching(target, node.value)


def matching(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.Attribute, ast.Name]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner_target, inner_value in zip(target.elts, value.elts, strict=False):
            yield from matching(inner_target, inner_value)
    elif isinstance(target, ast.Attribute) and isinstance(value, ast.Name):
        yield target, value


def names_used(factory: Any) -> set[str]:
    return {n.id for n in ast.walk(entrance(factory)) if is_loaded(n, ast.Name)}


def attributes_read_of(factory: Any) -> set[str]:
    """The attributes that a component's own class, those it inherits from, or the program reads.

    What is read of a section may be read by whatever has it.
    """
    if getattr(factory, "is_section", False):
        return reads("**/*.py") | attributes_in(parsed(inspect.getsource(factory)))
    classes = [c for c in factory.__mro__ if c.__module__.startswith("nntrain")]
    return reads(*PROGRAM).union(*(attributes_in(parsed(inspect.getsource(c))) for c in classes))


@cache
def reads(*patterns: str) -> set[str]:
    paths = [path for pattern in patterns for path in PACKAGE.glob(pattern)]
    return set().union(*(attributes_in(parsed(path.read_text(encoding="utf-8"))) for path in paths))


def attributes_in(tree: ast.AST) -> set[str]:
    """The attributes that are read, and the keys by which mappings are asked."""
    return {n.attr for n in ast.walk(tree) if is_loaded(n, ast.Attribute)} | {
        n.args[0].value
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "get" and n.args
        if isinstance(n.args[0], ast.Constant) and isinstance(n.args[0].value, str)
    }


def is_loaded(node: Any, kind: type[Any]) -> bool:
    return isinstance(node, kind) and isinstance(node.ctx, ast.Load)


def entrance(factory: Any) -> ast.AST:
    """The body of a function, or of a class's `__init__`: where settings come in."""
    if getattr(factory, "__dataclass_fields__", None) or getattr(factory, "__init__", None) is object.__init__:
        return ast.Module([], [])
    return entrance_of(factory.__init__ if isinstance(factory, type) else factory)


@cache
def entrance_of(function: Any) -> ast.AST:
    (definition,) = parsed(inspect.getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    return ast.Module(definition.body, [])


def parsed(source: str) -> ast.Module:
    return ast.parse(textwrap.dedent(source))


@pytest.mark.parametrize("factory", list(dict.fromkeys(factories(Registry()))), ids=lambda factory: factory.__name__)
def test_every_setting_is_read(factory: Any) -> None:
    assert unread(factory) - (BY_NAME if factory is Experiment else set()) == set()


PLANTED = '''
from dataclasses import dataclass

from torch import nn

from nntrain.registry import {kind}
from nntrain.settings import section


@section
class Part:
    """A part."""

    def __init__(self, *, alive: int = 1, momentum: int = 1) -> None:
        {inside}

    def read(self):
        return self.alive


@{kind}("planted")
{component}
'''
CLASS = """class Planted(nn.Module):
    def __init__(self, inputs, *, alive: int = 1, momentum: int = 1, part: Part = Part()) -> None:
        {inside}
        part.read()

    def forward(self, x):
        return x * self.alive
"""
FUNCTION = "def planted(*, alive: int = 1, momentum: int = 1, part: Part = Part()):\n    return alive, part"
DATACLASS = """@dataclass(kw_only=True)
class Planted:
    alive: int = 1
    dead: int = 1

    def read(self):
        return self.alive
"""
USED = "self.alive = alive * momentum"
KEPT = (
    "self.alive = alive; self.{kept} = momentum",
    "self.alive: int = alive; self.{kept}: int = momentum",
    "self.alive, self.{kept} = alive, momentum",
    "self.alive = self.{kept} = alive",
    "self.alive = alive; self.{kept} = self.{kept}_too = momentum",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("component", "inside", "dead"),
    [
        (CLASS.format(inside=USED), USED, {"Planted": set(), "Part": set()}),
        *[
            (CLASS.format(inside=line.format(kept="nesterov")), USED, {"Planted": {"momentum"}, "Part": set()})
            for line in KEPT
        ],
        *[
            (CLASS.format(inside=USED), line.format(kept="never_read"), {"Planted": set(), "Part": {"momentum"}})
            for line in KEPT
        ],
        (FUNCTION, USED, {"planted": {"momentum"}, "Part": set()}),
        (DATACLASS, USED, {"Planted": {"dead"}}),
    ],
)
def test_a_dead_setting_is_found(
    kind: str, component: str, inside: str, dead: dict[str, set[str]], write: Callable[..., Path]
) -> None:
    """One that is never read, or only kept, though another component may read an attribute of its name."""
    path = write(PLANTED.format(kind=kind, component=component, inside=inside), "planted.py")
    planted = Registry([path]).load(kind, "planted")
    assert {factory.__name__: unread(factory) for factory in sections(planted)} == dead
