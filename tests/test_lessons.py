"""The quick ones of the lessons in scripts/bench: what networks learn and cannot learn."""

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import pytest

from conftest import ROOT


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(ROOT / "scripts" / "bench" / "lesson_plans")
    return importlib.import_module


@pytest.mark.parametrize("lesson", ["xor", "parity", "sine", "deep_parity"])
def test_what_perceptrons_learn(plan: Callable[[str], ModuleType], lesson: str) -> None:
    rows = getattr(plan("perceptrons"), lesson)(**({"widths": (2, 16)} if lesson == "sine" else {}))
    assert rows and [(claim, measured) for claim, measured, passed in rows if not passed] == []


def test_layers_trained_one_by_one_learn_where_random_weights_fail(
    plan: Callable[[str], ModuleType], command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(config: str, *overrides: str) -> AbstractContextManager[dict[str, Any]]:
        return nullcontext(command("fit", config, *overrides, "--json").json)  # in this process, which has torch

    lessons = plan("pretraining")
    monkeypatch.setattr(lessons, "fitted", fitted)
    rows = lessons.layer_by_layer(epochs=16, share=0.75, small={"torch's": "[]"}, large={})
    assert len(rows) == 2
    assert [(claim, measured) for claim, measured, passed in rows if not passed] == []
