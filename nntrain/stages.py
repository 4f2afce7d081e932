"""The stages of a config: partial configs, merged over the rest one after the other."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from nntrain.config import merge
from nntrain.document import Document
from nntrain.schema import Path, Problem
from nntrain.words import show

OF_THE_RUN = {"name", "seed", "extends", "plugins", "stages"}  # what no stage has of its own


def stages_of(document: Document) -> list[Document]:
    """A whole config for each stage: the rest, over it the first stage, over that the second, and so on.

    A stage so says what changes from the stage before. A config without stages is its only one. ConfigError where
    an entry is no partial config.
    """
    problems = list(misshapen(document))
    if problems:
        raise document.error(problems)
    return well_shaped(document)


def well_shaped(document: Document) -> list[Document]:
    """As `stages_of`, without what is `misshapen`, so that all else can be checked."""
    given = document.data.get("stages", [])
    rest = rest_of(document) if given != [] else document
    whole: list[Document] = []
    for number, entry in enumerate(given if isinstance(given, list) else []):
        rest = copy.deepcopy(rest)
        if isinstance(entry, dict):
            stage = _stage(document, number)
            for key in (key for key in stage.data if key not in OF_THE_RUN):
                merge(rest, stage, (key,))
        whole.append(rest)
    return whole or [rest]


def misshapen(document: Document) -> Iterator[Problem]:
    """The entries that are no partial configs."""
    stages = document.data.get("stages", [])
    if not isinstance(stages, list):
        yield Problem(("stages",), f"expected a list of partial configs, found {show(stages)}")
        return
    for number, stage in enumerate(stages):
        if not isinstance(stage, dict):
            expected = "expected what changes in this stage, such as {optimizer: {lr: 0.01}}"
            yield Problem(("stages", number), f"{expected}, found {show(stage)}")
            continue
        for key in (key for key in stage if key in OF_THE_RUN):
            message = "belongs to the whole run; write it outside of the stages"
            yield Problem(("stages", number, key), message, on_key=True)


def joined(plains: list[dict[str, Any]]) -> dict[str, Any]:
    """One config from those of all stages, each with every default filled in: the first, and what changes then."""
    changes = [_change(before, after) for before, after in pairwise(plains)]
    return {**plains[0], "stages": [{}, *changes]}


def _change(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The partial config that, merged over `before`, makes it `after`."""
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    return {key: _partly(before.get(key), value) for key, value in changed.items()}


def _partly(before: Any, after: Any) -> Any:
    """What changes, where these are settings of the same component or section; else all of it."""
    are_settings = isinstance(before, dict) and isinstance(after, dict)
    if are_settings and before.keys() == after.keys() and before.get("type") == after.get("type"):
        return _change(before, after)
    return after


def rest_of(document: Document) -> Document:
    """The config without its stages."""
    rest = copy.deepcopy(document)
    rest.data.pop("stages", None)
    rest.forget(("stages",))
    return rest


def _stage(document: Document, number: int) -> Document:
    """A stage as a document of its own, in which every place is known as one of this stage."""
    above = ("stages", number)
    stage = Document(document.source, copy.deepcopy(document.at(above)))
    for path in _paths(stage.data):
        place = document.mark((*above, *path))
        stage.values[path] = replace(place, stage=number)
        stage.keys[path] = replace(document.keys.get((*above, *path), place), stage=number)
    return stage


def _paths(data: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all that is below."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from _paths(value, (*path, key))
