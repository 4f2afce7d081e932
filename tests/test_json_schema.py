"""The JSON Schema takes what nntrain takes, and refuses what an editor can know to be wrong."""

import copy
import json
from collections.abc import Callable
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from single_mistakes import CONFIGS, Mistake, misspelt_components, misspelt_settings, shipped, wrong_types

from conftest import ROOT
from nntrain.config import load
from nntrain.json_schema import config_schema
from nntrain.registry import KINDS, Registry
from nntrain.yaml_text import parse

Command = Callable[..., Any]
Write = Callable[..., Path]
GROUPS = [
    {"match": "bias$", "weight_decay": 0, "betas": [0.5, 0.9]},
    {"match": "head", "lr": 0.1, "frozen": "2 epochs"},
    {"match": "body", "lr": "0.1x", "frozen": False},
]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return config_schema(Registry())


def problems(schema: dict[str, Any], config: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(config)]


def test_it_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_names_the_schema(config: Path, schema: dict[str, Any]) -> None:
    assert problems(schema, load(config).data) == []
    assert config.read_text().startswith("# yaml-language-server: $schema=nntrain.schema.json\n")


@pytest.mark.parametrize(
    "config",
    [
        {"extends": "base.yaml"},
        {"data": "iris", "model": "mlp", "task": {"label_smoothing": 0.1}, "optimizer": {"lr": 0.1}},
        {"data": {"type": "iris", "batch_size": "all"}, "model": {"type": "mlp", "hidden": [3, 4]}},
        {"data": "iris", "model": "mlp", "trainer": {"save": "10 minutes", "early_stopping": {"patience": "5%"}}},
        {"data": "iris", "model": "mlp", "optimizer": {"type": "adamw", "groups": GROUPS}},
        {"data": "iris", "model": "mlp", "init": {"from": "runs/my", "rename": {"^body": ""}}},
        {"data": "iris", "model": "mlp", "init": ["zeros", {"from": "runs/my", "strict": False}]},
    ],
)
def test_what_nntrain_takes_is_valid(config: dict[str, Any], schema: dict[str, Any]) -> None:
    assert problems(schema, config) == []


@pytest.mark.parametrize(
    "config",
    [
        {"data": "iris"},
        {"data": "irs", "model": "mlp"},
        {"data": "iris", "model": "mlp", "optimzer": "sgd"},
        {"data": "iris", "model": {"type": "mlp", "hiden": [3]}},
        {"data": "iris", "model": {"type": "mlp", "dropout": 1.5}},
        {"data": "iris", "model": {"type": "mlp", "hidden": [0]}},
        {"data": "iris", "model": "mlp", "optimizer": {"type": "sgd", "lr": "three"}},
        {"data": "iris", "model": "mlp", "trainer": {"length": 5}},
        {"data": "iris", "model": "mlp", "trainer": {"early_stopping": {}}},
        {"data": "iris", "model": "mlp", "seed": -1},
        {"data": "iris", "model": "mlp", "optimizer": {"type": "sgd", "groups": [{"match": "a", "betas": [0, 0]}]}},
        {"data": "iris", "model": "mlp", "optimizer": {"type": "sgd", "groups": [{"lr": 0.1}]}},
        {"data": "iris", "model": "mlp", "optimizer": {"type": "sgd", "groups": [{"match": "a", "lr": "0.1"}]}},
        {"data": "iris", "model": "mlp", "init": {"from": "runs/my", "strct": True}},
    ],
)
def test_a_mistake_is_not_valid(config: dict[str, Any], schema: dict[str, Any]) -> None:
    assert problems(schema, config) != []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_with_a_mistake_is_not_valid(config: Path, schema: dict[str, Any]) -> None:
    """Mistakes in settings that no config before this one has."""
    validator = Draft202012Validator(schema)
    new = [mistake for mistake in mistakes_in(config) if first_with()[owner(config, mistake)] == config]
    assert [(mistake.mark, mistake.wrong) for mistake in new if validator.is_valid(data_with(config, mistake))] == []


@cache
def mistakes_in(config: Path) -> tuple[Mistake, ...]:
    """Every setting and component misspelt; of the wrong types that each setting is tried with the next in turn."""
    by_path: dict[Any, list[Mistake]] = {}
    for mistake in wrong_types(config):
        by_path.setdefault(mistake.path, []).append(mistake)
    in_turn = (mistakes[number % len(mistakes)] for number, mistakes in enumerate(by_path.values()))
    return (*misspelt_settings(config), *misspelt_components(config), *in_turn)


@cache
def first_with() -> dict[tuple[Any, ...], Path]:
    """The first config that has each setting."""
    return {owner(config, mistake): config for config in reversed(CONFIGS) for mistake in mistakes_in(config)}


def owner(config: Path, mistake: Mistake) -> tuple[Any, ...]:
    return shipped(config).owner(mistake.path)


def data_with(config: Path, mistake: Mistake) -> dict[str, Any]:
    """The section of a config that has a mistake, as plain data, among others that are short."""
    section = mistake.path[0]
    data = {"data": "iris", "model": "mlp", section: copy.deepcopy(shipped(config).document.data[section])}
    *above, last = mistake.path
    holder = reduce(getitem, above, data)
    if mistake.on_key:
        holder[mistake.wrong] = holder.pop(last)
    else:
        holder[last] = parse(mistake.wrong, "").data
    return data


def test_every_setting_is_described(schema: dict[str, Any]) -> None:
    for kind in KINDS:
        for component in schema["$defs"][kind]["anyOf"][1:]:
            for name, setting in component["properties"].items():
                assert name == "type" or setting.get("description"), (component["properties"]["type"], name)


def test_the_schema_beside_the_shipped_configs_is_the_current_one(schema: dict[str, Any]) -> None:
    """Made by `nntrain schema > configs/nntrain.schema.json`."""
    assert json.loads((ROOT / "configs" / "nntrain.schema.json").read_text(encoding="utf-8")) == schema


def test_plug_ins_are_included(command: Command, write: Write) -> None:
    write(
        "from nntrain.registry import scheduler\n\n\n"
        '@scheduler("mine")\ndef mine(clock, *, speed: float = 1.0):\n    """Mine."""\n',
        "mine.py",
    )
    write("plugins: [mine.py]\ndata: iris\nmodel: mlp\n")
    printed = command("schema", "my.yaml")
    assert printed.status == 0
    assert problems(printed.json, {"data": "iris", "model": "mlp", "scheduler": {"type": "mine", "speed": 2}}) == []
    assert problems(printed.json, {"data": "iris", "model": "mlp", "scheduler": {"type": "mine", "sped": 2}}) != []
