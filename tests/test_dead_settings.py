"""Every setting of every component and section is read by the code: none is accepted and then ignored."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nntrain
from nntrain.data.split import SplitSettings
from nntrain.experiment import EarlyStopping, Experiment, Plateau, TrainerSettings
from nntrain.registry import KINDS, Registry
from nntrain.schema import settings_of

PACKAGE = Path(nntrain.__file__).parent
BY_NAME = {"name", "plugins"}  # of a config: read off its plain form before there is an experiment


def factories() -> Iterator[Any]:
    registry = Registry()
    for kind in KINDS:
        for name in registry.names(kind):
            component = registry.load(kind, name)
            yield component
            if component.within is not None:
                yield component.within
    yield from (SplitSettings, EarlyStopping, Plateau, Experiment, TrainerSettings)


def read_attributes() -> set[str]:
    """The names of attributes, and the keys by which mappings are asked, that the package reads anywhere."""
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    attributes = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    asked = {
        n.args[0].value
        for n in nodes
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "get" and n.args
        if isinstance(n.args[0], ast.Constant) and isinstance(n.args[0].value, str)
    }
    return attributes | asked


def own_reads(factory: Any) -> set[str]:
    """The parameters that a function, or a class's `__init__`, does more with than keep them on `self`."""
    target = factory.__init__ if isinstance(factory, type) else factory
    if getattr(factory, "__dataclass_fields__", None):
        return set()
    function = ast.parse(textwrap.dedent(inspect.getsource(target))).body[0]
    kept = {
        id(n.value)
        for n in ast.walk(function)
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Attribute) and isinstance(n.value, ast.Name)
    }
    names = (n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    return {n.id for n in names if id(n) not in kept}


@pytest.mark.parametrize("factory", list(dict.fromkeys(factories())), ids=lambda factory: factory.__name__)
def test_every_setting_is_read(factory: Any) -> None:
    attributes = read_attributes()
    unread = {
        name
        for name in settings_of(factory)
        if name not in own_reads(factory) and name not in attributes and f"_{name}" not in attributes
    }
    assert unread - (BY_NAME if factory is Experiment else set()) == set()
