"""Durations that end after the run, of which check has to say something."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
data: {type: iris, batch_size: 30}
model: linear
trainer: {length: 6 steps, log: 100 steps, evaluate: 100 steps}
"""


def said(command: Callable[..., Any], write: Callable[..., Path], *overrides: str) -> list[str]:
    checked = command("check", write(CONFIG), *overrides, "--json")
    assert checked.status == 0, checked.err
    return [f["seen"] for f in checked.json["findings"] if f["rule"] == "durations" and f["level"] == "remark"]


@pytest.mark.parametrize(
    ("override", "setting"),
    [
        ("scheduler={type: cosine, warmup: 500 steps}", "scheduler.warmup of 500 steps"),
        ("scheduler={type: step, every: 2 epochs}", "scheduler.every of 2 epochs"),
        ("scheduler={type: multi_step, at: [1 epochs, 9 epochs]}", "scheduler.at.1 of 9 epochs"),
        ("scheduler={type: trapezoid, decay: 3 epochs}", "scheduler.decay of 3 epochs"),
        ("optimizer={type: adam, groups: [{match: bias, frozen: 9 steps}]}", "optimizer.groups.0.frozen of 9 steps"),
        ("trainer.early_stopping={patience: 2 epochs}", "trainer.early_stopping.patience of 2 epochs"),
        ("trainer.plateau={patience: 2 epochs}", "trainer.plateau.patience of 2 epochs"),
    ],
)
def test_what_never_comes_is_remarked_on(
    override: str, setting: str, command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    assert said(command, write, override) == [f"{setting} does not end within the run of 6 steps"]


def test_what_ends_in_time_is_not(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    settings = (
        "scheduler={type: step, every: 1 epochs, warmup: 5 steps}",
        "trainer.early_stopping={patience: 5 steps}",
    )
    assert said(command, write, *settings) == []


def test_an_update_of_more_batches_than_an_epoch_has(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    assert said(command, write, "trainer.accumulate=3") == []
    (seen,) = said(command, write, "trainer.accumulate=8")
    assert seen.startswith("trainer.accumulate is 8, but an epoch has only")


def test_no_moment_is_refused(command: Callable[..., Any], write: Callable[..., Path]) -> None:
    refused = command("check", write(CONFIG), "scheduler={type: multi_step, at: []}")
    assert refused.status == 2
    assert "scheduler.at: expected a list of 1 or more, each a duration" in refused.err
