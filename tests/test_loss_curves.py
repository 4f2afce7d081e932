"""Faster ways to compute change a network's worth by no more than another seed does."""

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from nntrain.same_runs import records
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

SEEDS = 5
SMALL = """
data: {type: digits, batch_size: 64, split: {dev: 0.3, train: 832}}
model: {type: mlp, hidden: [32]}
optimizer: {type: adam, lr: 0.003}
trainer: {length: 6 epochs, evaluate: 2 epochs, threads: 1, preflight: false, samples: false}
"""
COMPILER = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")


@pytest.fixture(scope="module")
def plain() -> list[list[float]]:
    return []


def curves(command: Command, config: Path, *settings: str) -> list[list[float]]:
    """The dev losses at every evaluation, of each seed."""
    found = []
    for seed in range(SEEDS):
        done = command("fit", config, f"seed={seed}", *settings, "--json")
        assert done.status == 0, done.err
        found.append([record["dev"]["loss"] for record in records(Path(done.json["run"]))])
    return found


@pytest.mark.parametrize(
    "way",
    [
        "trainer.precision=bf16",
        pytest.param("trainer.compile=true", marks=COMPILER),
    ],
)
def test_dev_losses_differ_by_less_than_seeds_do(
    way: str, plain: list[list[float]], write: Write, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = write(SMALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    if not plain:
        plain.extend(curves(command, config))
    others = curves(command, config, way)
    assert others != plain  # another way of computing it is
    for of_plain, of_others in zip(zip(*plain, strict=True), zip(*others, strict=True), strict=True):
        spread = stdev(of_plain)
        apart = [abs(a - b) for a, b in zip(of_plain, of_others, strict=True)]
        assert max(apart) < spread and abs(mean(of_plain) - mean(of_others)) < spread / 2
