"""Every component of every kind says what it computes, by which formula, after whom, and what each setting does."""

import inspect
import re

import pytest

from nntrain.annotations import metadata, options
from nntrain.registry import KINDS, Registry
from nntrain.schema import component_settings
from nntrain.settings import Place

COMPONENTS = [(kind, name) for kind in KINDS for name in Registry().names(kind)]
COMPUTED = (  # by a formula
    *("model", "loss", "optimizer", "scheduler", "regularizer", "initializer", "metric"),
    *("clip", "average", "augmentation", "mixture", "normalization", "block"),
)
PLACES = ("root", "path", "file", "folder", "from")  # settings that name a place on disk
each_component = pytest.mark.parametrize(("kind", "name"), COMPONENTS)


def described(kind: str, name: str) -> str:
    """The docstring without its settings."""
    return (inspect.getdoc(Registry().load(kind, name)) or "").partition("\n\nSettings:")[0]


@each_component
def test_it_is_summed_up_in_one_sentence(kind: str, name: str) -> None:
    summary = described(kind, name).partition("\n\n")[0]
    assert summary.endswith(".")
    assert not re.search(r"[a-z)]\.\s+[A-Z]", summary), "more than one sentence"


@pytest.mark.parametrize(("kind", "name"), [pair for pair in COMPONENTS if pair[0] in COMPUTED])
def test_it_has_a_formula(kind: str, name: str) -> None:
    assert re.search(r"^.*\S (=|<-|~) \S", described(kind, name), re.MULTILINE)


@each_component
def test_it_names_its_source(kind: str, name: str) -> None:
    assert re.search(r"^Source: \S", described(kind, name), re.MULTILINE)


@each_component
def test_every_setting_is_explained(kind: str, name: str) -> None:
    unexplained = {s.name for s in component_settings(Registry().load(kind, name)).values() if not s.help}
    assert unexplained == set()


@each_component
def test_a_place_on_disk_is_the_same_from_any_folder(kind: str, name: str) -> None:
    """Write `root: PathText | None = None`, so that the run's config holds an absolute path."""
    settings = component_settings(Registry().load(kind, name)).values()
    relative = {
        s.name for s in settings if s.name in PLACES and not any(metadata(o, Place) for o in options(s.annotation))
    }
    assert relative == set()
