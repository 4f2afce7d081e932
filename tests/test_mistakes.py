"""Every shipped config with one mistake at a time: it is pointed at, with the right suggestion."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import ROOT
from nntrain.assemble import assemble
from nntrain.config import ConfigError, Document, load
from nntrain.data.in_memory import Examples
from nntrain.document import Mark
from nntrain.schema import Path as SettingPath

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
Write = Callable[..., Path]
AMBIGUOUS = ("l2", "adamw")  # l1 and adam are as near to some of their misspellings
VALID = ("l1", "adam")  # a slip that makes another component
ANYTHING = ("name", "match")  # settings that take (nearly) any text


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few blank images in place of MNIST's files, which not everybody has, and short texts."""

    def examples(raw: Path, part: str) -> Examples:
        return Examples(torch.zeros(40, 1, 28, 28, dtype=torch.uint8), torch.arange(40) % 10)

    monkeypatch.setattr("nntrain.data.mnist._find", lambda *_: Path())
    monkeypatch.setattr("nntrain.data.mnist._examples", examples)
    for corpus in ("tiny_shakespeare", "standard_library"):
        monkeypatch.setattr(f"nntrain.data.{corpus}._text", lambda _: "To be, or not to be. " * 100)


def slips(word: str) -> Iterator[str]:
    """The word with one letter left out, doubled, replaced, or swapped with the next, at each place in turn."""
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        yield word[:i] + "q" + word[i + 1 :]
        yield word[:i] + word[i + 1 : i + 2] + word[i : i + 1] + word[i + 2 :]


def edited(config: Path, mark: Mark, text: str) -> str:
    """The config with other text at a place."""
    lines = config.read_text(encoding="utf-8").splitlines()
    line = lines[mark.line - 1]
    lines[mark.line - 1] = line[: mark.column - 1] + text + line[mark.column - 1 + mark.width :]
    return "\n".join(lines) + "\n"


def said_of(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        document = load(path)
        document.data.setdefault("name", "my")
        assemble(document)
    return str(error.value)


def leaves(document: Document) -> Iterator[tuple[SettingPath, Any]]:
    for path in document.values:
        value = document.at(path)
        if path and not isinstance(value, dict | list):
            yield path, value


def names_of(document: Document) -> Iterator[tuple[SettingPath, str]]:
    """The names of components."""
    for path, value in leaves(document):
        is_short = len(path) == 1 and path[0] in ("data", "model", "task", "optimizer", "scheduler")
        if path[-1] == "type" or is_short:
            yield path, value


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_misspelt_setting_is_pointed_at(config: Path, write: Write) -> None:
    for path, mark in load(config).keys.items():
        key = str(path[-1])
        for wrong in set(slips(key)) - {key, ""}:
            said = said_of(write(edited(config, mark, wrong), "wrong.yaml"))
            first = next(line for line in said.splitlines() if f"{wrong}: unknown setting" in line)
            assert f"wrong.yaml:{mark.line}:{mark.column}: " in first, said
            assert first.endswith(f"did you mean '{key}'?"), said


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_misspelt_component_is_pointed_at(config: Path, write: Write) -> None:
    document = load(config)
    for path, name in names_of(document):
        mark = document.values[path]
        for wrong in set(slips(name)) - {name, "", *VALID}:
            said = said_of(write(edited(config, mark, wrong), "wrong.yaml"))
            assert f"wrong.yaml:{mark.line}:{mark.column}: " in said
            if not wrong.isdecimal():
                assert f"unknown {kind_of(path)} '{wrong}'" in said
                assert name in AMBIGUOUS or f"did you mean '{name}'?" in said, said


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_value_of_a_wrong_type_is_pointed_at(config: Path, write: Write) -> None:
    document = load(config)
    for path, value in leaves(document):
        mark = document.values[path]
        for wrong in wrong_values(value):
            if path[-1] in ANYTHING and not wrong.startswith(("[", "{")):
                continue
            said = said_of(write(edited(config, mark, wrong), "wrong.yaml"))
            assert f"wrong.yaml:{mark.line}:{mark.column}: " in said or f": {'.'.join(map(str, path))}.a: " in said, (
                said
            )


def wrong_values(value: Any) -> list[str]:
    """What no setting that takes `value` can take."""
    if isinstance(value, bool):
        return ["maybe", "1", "[true]", "{a: true}", "yes"]
    if isinstance(value, int | float):
        return ["three", "true", "[3]", "{a: 3}", ".nan", "-1"]
    return ["3.5", "true", "[a]", "{a: b}"]


def kind_of(path: SettingPath) -> str:
    names = [str(part) for part in path if isinstance(part, str) and part != "type"]
    return {"regularizers": "regularizer", "metrics": "metric"}.get(names[-1], names[-1])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_has_no_mistake(config: Path) -> None:
    document = load(config)
    document.data.setdefault("name", config.stem)
    assert assemble(document).plain["name"] == config.stem
