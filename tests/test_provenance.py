"""`show config` says of every setting where it comes from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nntrain.config import load

Command = Callable[..., Any]
Write = Callable[..., Path]

BASE = """data: digits
model: {type: mlp, hidden: [64]}
optimizer: {type: sgd, lr: 0.1}
regularizers: [{type: l2, weight: 1e-3}, l1]
"""
CHILD = """extends: base.yaml
model:
  dropout: 0.1
trainer: {length: 3 epochs, early_stopping: {patience: 10%}}
"""


@pytest.fixture
def shown(command: Command, write: Write) -> list[str]:
    write(BASE, "base.yaml")
    write(CHILD)
    called = command("show", "config", "my.yaml", "optimizer.lr=0.3")
    assert called.status == 0, called.err
    return called.out.splitlines()


@pytest.mark.parametrize(
    ("setting", "origin"),
    [
        ("name: my", "the file's name"),
        ("seed: 0", "default"),
        ("  type: digits", "base.yaml:1"),
        ("  batch_size: 32", "default of digits"),
        ("  hidden: [64]", "base.yaml:2"),
        ("  dropout: 0.1", "my.yaml:3"),
        ("  type: classification", "inferred from the data"),
        ("    type: cross_entropy", "default of classification"),
        ("  lr: 0.3", "command line"),
        ("  momentum: 0.0", "default of sgd"),
        ("  type: constant", "default"),
        ("    weight: 0.001", "base.yaml:4"),
        ("  - type: l1", "base.yaml:4"),
        ("    weight: 1.0e-05", "default of l1"),
        ("    patience: 10%", "my.yaml:4"),
        ("    min_change: 0.0", "default of early_stopping"),
    ],
)
def test_a_setting_has_its_origin(shown: list[str], setting: str, origin: str) -> None:
    assert (setting, origin) in [tuple(part.rstrip() for part in line.split("# ")) for line in shown]


def test_every_setting_has_one(shown: list[str]) -> None:
    assert all(line.endswith(":") or " # " in line for line in shown)


def test_what_is_shown_is_the_same_config(shown: list[str], command: Command, write: Write) -> None:
    path = write("\n".join(shown), "shown.yaml")
    assert yaml.safe_load("\n".join(shown))["optimizer"] == load(path).data["optimizer"]
    given = command("show", "config", "my.yaml", "optimizer.lr=0.3", "--json").json
    assert command("show", "config", path, "--json").json == given
