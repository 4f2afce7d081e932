"""Reduce on plateau: the rate falls when a metric stands still, also in a run that was stopped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Called
from nntrain.plateau import Plateau
from nntrain.watch import Watch
from runs import bits, instant_disk, last, records, same_curves, scalars  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

CONFIG = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: {type: sgd, lr: 0.4, momentum: 0.9}
scheduler: {type: linear, final: 0.5}
trainer:
  length: 60 steps
  evaluate: 2 steps
  save: 7 steps
  log: 3 steps
  plateau: {patience: 6 steps, factor: 0.5, min_change: 0.01, monitor: dev/loss}
"""


def plateau(patience: int = 3, factor: float = 0.5, least: float = 0.0, min_change: float = 0.0) -> Plateau:
    return Plateau(Watch("dev/loss", "lower", min_change), patience, factor, least)


def rates(of: Plateau, values: list[float], start: int = 1) -> list[float]:
    seen = []
    for step, value in enumerate(values, start):
        of.see(value, step)
        seen.append(of.rate)
    return seen


def test_the_rate_falls_after_patience_and_again_after_patience() -> None:
    assert rates(plateau(), [5, 4, 4, 4, 4, 4, 4, 4, 4]) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_better_value_begins_the_wait_anew() -> None:
    assert rates(plateau(), [5, 5, 5, 4, 4, 4, 3, 3, 3, 3]) == [1] * 9 + [0.5]


def test_a_change_that_is_too_small_is_none() -> None:
    assert rates(plateau(min_change=1.0), [5, 4.5, 4.2, 4.1]) == [1, 1, 1, 0.5]


def test_the_rate_is_never_less_than_the_least() -> None:
    assert rates(plateau(patience=1, least=0.2), [5, 5, 5, 5, 5]) == [1, 0.5, 0.25, 0.2, 0.2]


def test_a_restored_plateau_goes_on() -> None:
    whole, stopped, resumed = plateau(), plateau(), plateau()
    values = [5.0, 4, 4, 4, 4, 3, 3, 3, 3, 3]
    expected = rates(whole, values)
    rates(stopped, values[:4])
    resumed.restore(json.loads(json.dumps(stopped.state())), step=4)
    assert rates(resumed, values[4:], start=5) == expected[4:]


def test_without_a_state_it_counts_from_where_it_starts() -> None:
    fresh = plateau()
    fresh.restore(None, step=10)
    assert rates(fresh, [5.0, 5, 5, 5], start=11) == [1, 1, 1, 0.5]


def test_the_logged_rate_is_the_schedules_times_the_plateaus(command: Command, write: Write) -> None:
    run = Path(command("fit", write(CONFIG), "--json").json["run"])
    measured = records(run)
    same = plateau(patience=6, min_change=0.01)
    before = 1.0
    for record in measured:
        step = record["step"]
        assert record["train"]["lr"] == pytest.approx(0.4 * (1 - 0.5 * (step - 1) / 60) * before)
        same.see(record["dev"]["loss"], step)
        before = same.rate
    assert before < 1
    logged = dict(scalars(run, "train")["lr"])
    assert logged[60] == pytest.approx(measured[-1]["train"]["lr"])


def test_a_stopped_run_ends_like_a_whole_one(command: Command, write: Write) -> None:
    config = write(CONFIG.replace("linear, final: 0.5", "constant"))
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    for stop in (17, 30, 41):
        short = Path(command("fit", config, f"trainer.length={stop} steps", "--out", f"{stop}", "--json").json["run"])
        resumed = command("fit", "--resume", short, "trainer.length=60 steps")
        assert resumed.status == 0, resumed.err
        assert bits(last(short), "model", "optimizer") == bits(last(whole), "model", "optimizer")
        assert records(short)[-1]["train"]["lr"] == records(whole)[-1]["train"]["lr"] < 0.4


def test_a_plateau_of_an_unknown_metric_or_without_a_dev_set_is_refused(command: Command, write: Write) -> None:
    called = command("check", write(CONFIG), "trainer.plateau.monitor=dev/eror_rate")
    assert called.status == 2
    assert "trainer.plateau.monitor" in called.err and "did you mean 'dev/error_rate'?" in called.err
    called = command("check", write(CONFIG), "data.split.dev=0", "trainer.plateau.monitor=null")
    assert called.status == 2
    assert "trainer.plateau: there is no dev set to watch" in called.err
