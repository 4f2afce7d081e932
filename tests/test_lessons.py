"""The quick ones of the lessons in scripts/bench/lessons: what networks learn and cannot learn."""

import importlib.util
from types import ModuleType

import pytest

from conftest import ROOT


@pytest.fixture(scope="module")
def perceptrons() -> ModuleType:
    path = ROOT / "scripts" / "bench" / "lessons" / "perceptrons.py"
    spec = importlib.util.spec_from_file_location("lessons_perceptrons", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lesson", ["xor", "parity", "sine", "deep_parity"])
def test_what_perceptrons_learn(perceptrons: ModuleType, lesson: str) -> None:
    rows = getattr(perceptrons, lesson)(**({"widths": (2, 16)} if lesson == "sine" else {}))
    assert rows and [(claim, measured) for claim, measured, passed in rows if not passed] == []
