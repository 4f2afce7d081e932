"""Every shipped config, and an override of each of its settings, with one mistake at a time: it is pointed at.

These mistakes are found by reading alone, without data, so that thousands can be tried.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from single_mistakes import (
    CONFIGS,
    Mistake,
    edited,
    misspellings,
    misspelt_components,
    misspelt_settings,
    shipped,
    suggestions,
    wrong_types,
)

from conftest import ROOT
from nntrain import assemble as assembly
from nntrain.config import ConfigError, load
from nntrain.data.in_memory import Examples
from nntrain.data.places import WithheldError, downloads
from nntrain.document import Mark
from nntrain.plan import misread, plan
from nntrain.yaml_text import inline

ON_THE_COMMAND_LINE = 48  # mistakes tried with the command, about
Write = Callable[..., Path]
each_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few blank images in place of MNIST's files, which not everybody has, and short texts; no downloads."""

    def examples(raw: Path, part: str, most: int) -> Examples:
        return Examples(torch.zeros(40, 1, 28, 28, dtype=torch.uint8), torch.arange(40) % 10)

    monkeypatch.setattr("nntrain.data.mnist._find", lambda *_: Path())
    monkeypatch.setattr("nntrain.data.mnist._examples", examples)
    for corpus in ("tiny_shakespeare", "standard_library"):
        monkeypatch.setattr(f"nntrain.data.{corpus}._text", lambda _: "To be, or not to be. " * 100)
    monkeypatch.setattr(assembly, "downloads", lambda allowed: downloads(False))


def said_of(path: Path, *overrides: str) -> list[str]:
    """The first line of each mistake that reading a config finds."""
    try:
        document = load(path, overrides)
        document.data.setdefault("name", "my")
        said = str(ConfigError(misread(document)))
        if not said:
            plan(document)
    except ConfigError as error:
        said = str(error)
    except WithheldError:
        pytest.skip(f"the data of {path.stem} is not here")
    return [line for line in said.splitlines() if line.startswith((f"{path}:", "command line:"))]


@each_config
def test_every_misspelt_setting_is_pointed_at(config: Path, write: Write) -> None:
    ours = shipped(config)
    names = {mark: ours.names.get(path, {str(path[-1])}) for path, mark in ours.document.keys.items()}
    for mark, wrong, message in misspelt_settings(config):
        said = said_of(write(edited(config, mark, wrong), "wrong.yaml"))
        (line,) = [line for line in said if message in line]
        assert f"wrong.yaml:{mark.line}:{mark.column}: " in line, said
        assert line.endswith(tuple(suggestions(wrong, names[mark]))), said


@each_config
def test_every_misspelt_component_is_pointed_at(config: Path, write: Write) -> None:
    ours = shipped(config)
    names = {ours.document.values[path]: names for path, _, names in ours.components()}
    for mark, wrong, message in misspelt_components(config):
        (line,) = said_of(write(edited(config, mark, wrong), "wrong.yaml"))
        assert f"wrong.yaml:{mark.line}:{mark.column}: " in line and message in line
        assert line.endswith(tuple(suggestions(wrong, names[mark]))), line


@each_config
def test_every_value_of_a_wrong_type_is_pointed_at(config: Path, write: Write) -> None:
    for mark, wrong, _ in wrong_types(config):
        said = said_of(write(edited(config, mark, wrong), "wrong.yaml"))
        assert any(place in line for line in said for place in places(mark, wrong)), (wrong, mark, said)


def places(mark: Mark, wrong: str) -> list[str]:
    """Where a mistake may be pointed at: it, or what is in it."""
    columns = (mark.column, mark.column + 1) if wrong[0] in "{[" else (mark.column,)
    return [f"wrong.yaml:{mark.line}:{column}: " for column in columns]


def overrides(config: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Overrides of each leaf with one mistake, and what may end the message."""
    ours = shipped(config)
    for path in ours.leaves():
        *above, key = map(str, path)
        if "." in key:
            continue  # a pattern, which no path of settings can name
        value = inline(ours.document.at(path))
        if not key.isdecimal():
            names = ours.names.get(path, {key})
            for wrong in misspellings(key, names, all_of_them=False):
                yield f"{'.'.join((*above, wrong))}={value}", tuple(suggestions(wrong, names))
        for wrong in ours.wrong_values(path):
            yield f"{'.'.join((*above, key))}={wrong}", ("",)
    for path, _, names in ours.components():
        whole = ".".join(map(str, path[:-1] if path[-1] == "type" else path))
        for wrong in misspellings(ours.document.at(path), names, all_of_them=True):
            for key in (whole, f"{whole}.type"):
                yield f"{key}={wrong}", tuple(suggestions(wrong, names))


@each_config
def test_every_wrong_override_is_quoted(config: Path) -> None:
    for wrong, endings in overrides(config):
        (line,) = said_of(config, wrong)[:1]
        assert line.startswith(f"command line: {wrong}: "), line
        assert line.endswith(endings), line


def on_the_command_line(config: Path, count: int) -> list[Mistake]:
    """Mistakes of each kind, from the end of the config, where a run would be longest away."""
    kinds = [list(kind(config)) for kind in (misspelt_settings, wrong_types, misspelt_components)]
    start = CONFIGS.index(config) % len(kinds)
    in_turn = [mistakes[-1 - n] for n in range(count) for mistakes in (*kinds[start:], *kinds[:start])]
    return in_turn[:count]


@each_config
def test_the_command_ends_with_status_2_and_writes_nothing(
    config: Path, write: Write, command: Callable[..., Any], tmp_path: Path
) -> None:
    for mark, wrong, message in on_the_command_line(config, max(1, ON_THE_COMMAND_LINE // len(CONFIGS))):
        path = write(edited(config, mark, wrong), "wrong.yaml")
        called = command("fit", "wrong.yaml")
        assert (called.status, called.out) == (2, "")
        assert any(place in called.err for place in places(mark, wrong)), (wrong, mark, called.err)
        assert message in called.err or (wrong == "{a: b}" and "unknown setting" in called.err)
        assert f"{mark.line:5} | " in called.err and "^" in called.err
        assert "Traceback" not in called.err and "internal error" not in called.err
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("wrong", [["optimizer.lrr=0.1"], ["seed=three", "trainer.lenght=1 epochs"]])
def test_a_process_of_its_own_ends_so_too(nntrain: Callable[..., Any], tmp_path: Path, wrong: list[str]) -> None:
    called = nntrain("fit", ROOT / "configs" / "mlp_digits.yaml", *wrong)
    assert (called.status, called.out) == (2, "")
    assert len(called.err.splitlines()) == len(wrong) + called.err.count("are dropped")
    assert all(f"command line: {text}: " in called.err for text in wrong)
    assert list(tmp_path.iterdir()) == []


@each_config
def test_a_shipped_config_has_no_mistake(config: Path) -> None:
    document = load(config)
    document.data.setdefault("name", config.stem)
    try:
        assert plan(document).plain["name"] == config.stem
    except WithheldError as error:
        pytest.skip(f"the data {error} is not here")


def test_there_are_thousands_of_them() -> None:
    in_files = (misspelt_settings, misspelt_components, wrong_types)
    counts = [sum(len(list(kind(config))) for config in CONFIGS) for kind in (*in_files, overrides)]
    assert sum(counts) > 2000, counts
