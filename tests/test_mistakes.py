"""Every shipped config, and an override of each of its settings, with single mistakes: each is pointed at.

These mistakes are found by reading alone, without data, so that thousands can be tried.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from single_mistakes import (
    CONFIGS,
    Mistake,
    Override,
    edited,
    misspellings,
    misspelt_components,
    misspelt_settings,
    suggestions,
    together,
    wrong_overrides,
    wrong_types,
)

from nntrain.annotations import entry, item, options
from nntrain.config import ConfigError, load
from nntrain.data.places import WithheldError, downloads
from nntrain.document import Document, Mark
from nntrain.experiment import Experiment
from nntrain.plan import misread, plan
from nntrain.reader import Reader
from nntrain.registry import KINDS, Registry
from nntrain.schema import Setting, component_settings, settings_of

Write = Callable[..., Path]
Mistakes = Callable[[Path], Iterator[Mistake]]
Find = Callable[[Document], Iterable[tuple[Mark, str]]]
each_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)


def said_of(path: Path, *overrides: str, find: Find = misread) -> list[str]:
    """The first line of each mistake that is found in a config, by default in reading it."""
    try:
        document = load(path, overrides)
        document.data.setdefault("name", "my")
        with downloads(allowed=False):
            said = str(ConfigError(find(document)))
    except ConfigError as error:
        said = str(error)
    except WithheldError:
        pytest.skip(f"the data of {path.stem} is not here")
    return [line for line in said.splitlines() if line.startswith((f"{path}:", "command line:"))]


def with_data(document: Document) -> list[tuple[Mark, str]]:
    """The mistakes that only the data shows, such as in settings of a task that the data is to suggest."""
    plan(document)
    return []


def unpointed(config: Path, mistakes: Iterable[Mistake], write: Write) -> Iterator[str]:
    """The mistakes that are not pointed at, in a file with others nor, where these hide it, in a file of its own."""
    for group in together(mistakes):
        text, marks = edited(config, group)
        said = said_of(write(text, "wrong.yaml"))
        hidden = [mistake for mistake, mark in marks.items() if not is_pointed_at(mistake, mark, said)]
        yield from (text for mistake in hidden for text in unpointed_alone(config, mistake, write))


def unpointed_alone(config: Path, mistake: Mistake, write: Write) -> Iterator[str]:
    text, marks = edited(config, [mistake])
    path = write(text, "wrong.yaml")
    said = said_of(path) or said_of(path, find=with_data)
    if not is_pointed_at(mistake, marks[mistake], said):
        yield f"line {mistake.mark.line}, column {mistake.mark.column}: '{mistake.wrong}': {said}"


def is_pointed_at(mistake: Mistake, mark: Mark, said: list[str]) -> bool:
    lines = [line for line in said if any(place in line for place in places(mark, mistake.wrong))]
    return any(mistake.message in line and line.endswith(mistake.endings) for line in lines)


def places(mark: Mark, wrong: str) -> list[str]:
    """Where a mistake may be pointed at: it, or what is in it."""
    columns = (mark.column, mark.column + 1) if wrong[0] in "{[" else (mark.column,)
    return [f".yaml:{mark.line}:{column}: " for column in columns]


@each_config
@pytest.mark.parametrize("mistakes", [misspelt_settings, misspelt_components, wrong_types], ids=lambda f: f.__name__)
def test_every_single_mistake_is_pointed_at(config: Path, mistakes: Mistakes, write: Write) -> None:
    assert list(unpointed(config, mistakes(config), write)) == []


@each_config
def test_every_wrong_override_is_quoted(config: Path) -> None:
    assert list(unquoted(config, wrong_overrides(config))) == []


def unquoted(config: Path, overrides: Iterable[Override]) -> Iterator[str]:
    """The overrides that are not quoted, with others nor, where these hide them, alone."""
    for group in together(overrides):
        said = said_of(config, *(override.text for override in group))
        for override in (override for override in group if not is_quoted(override, said)):
            alone = said_of(config, override.text) or said_of(config, override.text, find=with_data)
            if not is_quoted(override, alone):
                yield f"{override.text}: {alone}"


def is_quoted(override: Override, said: list[str]) -> bool:
    lines = [line for line in said if line.startswith(f"command line: {override.text}: ")]
    return any(line.endswith(override.endings) for line in lines)


@pytest.mark.parametrize("config", CONFIGS[:: 1 + len(CONFIGS) // 16], ids=lambda path: path.stem)
@pytest.mark.parametrize("mistakes", [misspelt_settings, misspelt_components, wrong_types], ids=lambda f: f.__name__)
def test_the_command_ends_with_status_2_and_writes_nothing(
    config: Path, mistakes: Mistakes, write: Write, command: Callable[..., Any], tmp_path: Path
) -> None:
    """With a mistake at the end of some config, where a run would be longest away."""
    *_, mistake = mistakes(config)
    text, marks = edited(config, [mistake])
    mark, path = marks[mistake], write(text, "wrong.yaml")
    called = command("fit", "wrong.yaml")
    assert (called.status, called.out) == (2, "")
    assert any(place in called.err for place in places(mark, mistake.wrong)), called.err
    assert mistake.message in called.err
    assert f"{mark.line:5} | " in called.err and "^" in called.err
    assert "Traceback" not in called.err and "internal error" not in called.err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("wrong", [["optimizer.lrr=0.1"], ["seed=three", "trainer.lenght=1 epochs"]])
def test_wrong_overrides_are_quoted_and_nothing_is_written(
    command: Callable[..., Any], tmp_path: Path, wrong: list[str]
) -> None:
    called = command("fit", "mlp_digits", *wrong)
    assert (called.status, called.out) == (2, "")
    assert len(called.err.splitlines()) == len(wrong) + called.err.count("are dropped")
    assert all(f"command line: {text}: " in called.err for text in wrong)
    assert list(tmp_path.iterdir()) == []


@each_config
def test_a_shipped_config_has_no_mistake(config: Path) -> None:
    document = load(config)
    document.data.setdefault("name", config.stem)
    assert misread(document) == []


def test_there_are_thousands_of_them() -> None:
    kinds = (misspelt_settings, misspelt_components, wrong_types, wrong_overrides)
    counts = [sum(len(list(kind(config))) for config in CONFIGS) for kind in kinds]
    assert sum(counts) > 2000, counts


# --- Every slip of a letter, in whatever there is, answered with the name that is near.


def slips_of(names: list[str], chosen: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The misspellings of the chosen ones of some names, and how the answers may end."""
    return {wrong: suggestions(wrong, names) for name in chosen for wrong in misspellings(name, names)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_slip_in_the_name_of_a_component_is_answered(kind: str) -> None:
    reader, names = Reader(Registry()), Registry().names(kind)
    slips = slips_of(names, names)
    for wrong in slips:
        reader.component(kind, wrong, (wrong,))
    answers = {str(problem.path[0]): problem.message for problem in reader.problems}
    assert [wrong for wrong, endings in slips.items() if not answers[wrong].endswith(endings)] == []


@pytest.mark.parametrize("kind", ["section", *KINDS])
def test_every_slip_in_the_name_of_a_setting_is_answered(kind: str) -> None:
    """Of settings that several components of a kind have, in the first of them."""
    reader, seen = Reader(Registry()), {"type"}
    for known in settings_of_kind(kind):
        slips = slips_of(["type", *known], known.keys() - seen)
        seen |= known.keys()
        reader.problems.clear()
        reader.settings(known, dict.fromkeys(slips), (), "this")
        answers = {str(problem.path[0]): problem.message for problem in reader.problems if problem.path}
        unlike = [wrong for wrong, endings in slips.items() if not answers[wrong].endswith(endings)]
        assert unlike == []


def settings_of_kind(kind: str) -> Iterator[Mapping[str, Setting]]:
    """What each component of a kind takes, and each section in it; of a whole config where no kind is meant."""
    if kind == "section":
        yield from with_sections(settings_of(Experiment))
    for name in Registry().names(kind) if kind in KINDS else ():
        yield from with_sections(component_settings(Registry().load(kind, name)))


def with_sections(known: Mapping[str, Setting]) -> Iterator[Mapping[str, Setting]]:
    yield known
    for setting in known.values():
        for option in options(setting.annotation):
            for inner in options(item(option) or entry(option) or option):
                if getattr(inner, "is_section", False):
                    yield from with_sections(settings_of(inner))
