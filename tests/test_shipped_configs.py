"""The config that a run leaves is complete: it is valid, a fixed point, and training from it gives the same weights."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from single_mistakes import CONFIGS

from conftest import SHARED_DATA
from nntrain import curves
from nntrain.config import dump, load
from nntrain.data.places import downloads
from nntrain.evaluate import evaluate
from nntrain.json_schema import config_schema
from nntrain.registry import Registry
from nntrain.schema import component_settings
from runs import bits, instant_disk, last  # noqa: F401

FEW = 400


def shrunk(config: Path) -> list[str]:
    """Overrides that let every stage of a config train two steps, on fewer examples where its data is made up."""
    stages = len(load(config).data.get("stages", []))
    sections = ["trainer", *(f"stages.{stage}.trainer" for stage in range(stages))]
    lengths = [f"{section}.{name}=2 steps" for section in sections for name in ("length", "evaluate")]
    return [*lengths, *fewer_examples(load(config).data["data"])]


def fewer_examples(data: Any) -> Iterator[str]:
    given = data if isinstance(data, dict) else {"type": data}
    known = component_settings(Registry().load("data", given["type"]))
    enough = 4 * given["batch_size"] if isinstance(given.get("batch_size"), int) else FEW
    for name in ("examples", "lines"):
        if name in known and "split" not in given and given.get(name, known[name].default) > max(FEW, enough):
            yield f"data.{name}={max(FEW, enough)}"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    return Draft202012Validator(config_schema(Registry()))


@pytest.fixture
def fit(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Trains from a config whose data is on this machine, and evaluates a few examples."""
    monkeypatch.setattr(
        curves, "evaluate", lambda model, task, split, *rest: evaluate(model, task, split.sample(32, 0), *rest)
    )
    monkeypatch.setenv("NNTRAIN_DATA", os.environ.get("NNTRAIN_DATA", str(SHARED_DATA)))

    def fitted(config: Path, *overrides: str) -> Path:
        with downloads(allowed=False):
            called = command("fit", config, *overrides, "--json")
        if "WithheldError" in called.err:
            pytest.skip(f"the data of {config.stem} is not here")
        assert called.status == 0, called.err
        return Path(called.json["run"])

    return fitted


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_config_of_a_run_is_complete_and_a_fixed_point(
    config: Path, fit: Callable[..., Path], schema: Draft202012Validator
) -> None:
    once = fit(config, *shrunk(config))
    plain = load(once / "config.yaml").data
    assert [error.message for error in schema.iter_errors(plain)] == []
    assert dump(plain) == (once / "config.yaml").read_text(encoding="utf-8")
    again = fit(once / "config.yaml")
    assert (again / "config.yaml").read_bytes() == (once / "config.yaml").read_bytes()
    assert bits(last(again), "model") == bits(last(once), "model")
