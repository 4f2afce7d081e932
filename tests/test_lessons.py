"""The quick ones of the lessons in scripts/bench: what networks learn and cannot learn."""

import importlib
from types import ModuleType

import pytest

from conftest import ROOT


@pytest.fixture
def perceptrons(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts" / "bench" / "lesson_plans")
    return importlib.import_module("perceptrons")


@pytest.mark.parametrize("lesson", ["xor", "parity", "sine", "deep_parity"])
def test_what_perceptrons_learn(perceptrons: ModuleType, lesson: str) -> None:
    rows = getattr(perceptrons, lesson)(**({"widths": (2, 16)} if lesson == "sine" else {}))
    assert rows and [(claim, measured) for claim, measured, passed in rows if not passed] == []
