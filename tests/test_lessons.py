"""The quick ones of the lessons in scripts/bench: what networks learn and cannot learn."""

import importlib
from collections.abc import Callable
from types import ModuleType

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


def test_layers_trained_one_by_one_learn_where_random_weights_fail(plan: Callable[[str], ModuleType]) -> None:
    rows = plan("pretraining").layer_by_layer(epochs=25, share=0.7, small={"torch's": "[]"}, large={})
    assert len(rows) == 2
    assert [(claim, measured) for claim, measured, passed in rows if not passed] == []
