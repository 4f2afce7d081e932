"""The network of scripts/bench/tricks over-fits, and stopping early spares it that: one seed of the many measured."""

import importlib

import pytest

from conftest import ROOT


def test_a_network_that_learns_wrong_labels_is_better_stopped_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts" / "bench")
    tricks = importlib.import_module("tricks")
    plain, stopped = (tricks.errors(trick, 0.2, 0) for trick in (tricks.PLAIN, tricks.STOPPED))
    assert plain.train < 0.01
    assert plain.dev > 0.2
    assert stopped.train > 0.05
    assert stopped.test < plain.test
