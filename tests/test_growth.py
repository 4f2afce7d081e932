"""What a run takes does not grow with how long it is."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from nntrain.checkpoint import load, serialise
from nntrain.fit import fit
from nntrain.request import Request
from runs import at_step, instant_disk, only_run, pictures, records, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
MANY = """
data: {type: iris, batch_size: all}
model: linear
optimizer: {type: sgd, lr: 0.1}
trainer: {length: 10000 epochs, preflight: false}
"""
FEW = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: adam
trainer: {length: 5000000 steps, evaluate: 1 steps, log: 1 steps, preflight: false, samples: false}
"""
BYTES_OF_POINT = 100  # of a tag at most


def test_the_records_of_ten_thousand_epochs_of_a_step_are_small(command: Command, write: Write, tmp_path: Path) -> None:
    write(MANY)
    command("fit", "my.yaml", "--out", "runs")
    run = only_run(tmp_path / "runs")
    assert 1 <= len(records(run)) <= 20
    assert (run / "metrics.jsonl").stat().st_size < 20_000
    events = sum(path.stat().st_size for path in run.glob("*/events*"))
    curves = 3 * 2 * 200 * BYTES_OF_POINT  # objective, rate and norm, each logged 200 times, by epoch as well
    shown = sum(map(len, pictures(run).values()))
    assert events - shown < curves


def test_who_asks_for_ten_thousand_evaluations_gets_them_but_not_as_many_pictures(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nntrain.exhibition.SHOWN", 7)
    write(MANY.replace("10000 epochs", "50 epochs, evaluate: 1 epoch, save: 9 steps"))
    command("fit", "my.yaml", "--out", "straight")
    straight = only_run(tmp_path / "straight")
    assert [record["step"] for record in records(straight)] == list(range(1, 51))
    steps = sorted({step for _, step in pictures(straight)})
    assert len(steps) == 7 and steps[-1] == 50
    assert max(after - before for before, after in pairwise(steps)) <= 8

    with monkeypatch.context() as patch:
        at_step(patch, 23, lambda: os.kill(os.getpid(), signal.SIGINT))
        command("fit", "my.yaml", "--out", "killed")
    command("fit", "--resume", str(only_run(tmp_path / "killed")))
    assert pictures(only_run(tmp_path / "killed")) == pictures(straight)
    same_run(straight, only_run(tmp_path / "killed"))


class Steps:
    """A display that ends the run after some steps, two at least."""

    def __init__(self, most: int) -> None:
        self._left = most

    def step(self, step: int) -> None:
        self._left -= 1
        if self._left == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluation(self, record: object, is_best: bool) -> None:
        """Nothing is shown."""


def trained(request: Request, steps: int) -> Path:
    """Trains so many steps."""

    @contextmanager
    def show(*_: object) -> Iterator[Steps]:
        yield Steps(steps)

    return Path(fit(request, lambda message: None, show).summary["run"])


def moved(run: Path, step: int, lines: int) -> None:
    """Makes it look as if the run had come to a step, and had written so many lines until then."""
    path = run / "checkpoints" / "last.safetensors"
    stored = load(path)
    stored.facts["position"]["step"] = step
    (run / "metrics.jsonl").write_text("{}\n" * lines)
    stored.facts["lengths"]["metrics.jsonl"] = (run / "metrics.jsonl").stat().st_size
    path.write_bytes(serialise(stored))


def work_of(function: Callable[[], object]) -> int:
    """How many functions are called, Python's and others."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def test_going_on_at_step_a_million_is_as_much_work_as_at_step_ten(write: Write, tmp_path: Path) -> None:
    config = str(write(FEW))
    work = {}
    for step, lines in ((10, 10), (1_000_000, 10), (1_000_000, 100_000)):
        run = trained(Request(config, (), tmp_path, folder="runs", label=f"{step}-{lines}"), 3)
        moved(run, step, lines)
        resume = Request(None, (), tmp_path, resume=str(run))
        work[step, lines] = work_of(lambda: trained(resume, 2))  # noqa: B023
        last = load(run / "checkpoints" / "last.safetensors")
        assert last.facts["position"]["step"] == step + 2
        assert len((run / "metrics.jsonl").read_text().splitlines()) == lines + 2
    assert max(work.values()) < 1.02 * min(work.values())


def test_starting_a_long_run_is_as_much_work_as_starting_a_short_one(write: Write, tmp_path: Path) -> None:
    config = str(write(FEW))
    work = {}
    for steps in ("100 steps", "5000000 steps", "200000000 epochs"):
        request = Request(config, (f"trainer.length={steps}",), tmp_path, folder="runs", label=steps)
        trained(replace(request, label=f"{steps} before"), 2)
        work[steps] = work_of(lambda: trained(request, 2))  # noqa: B023
    assert max(work.values()) < 1.02 * min(work.values())


def test_a_state_does_not_grow_with_the_steps_that_were_made(write: Write, tmp_path: Path) -> None:
    config = str(write(FEW))
    sizes = []
    for steps in (20, 300):
        run = trained(Request(config, (), tmp_path, folder="runs", label=f"{steps} made"), steps)
        stored = load(run / "checkpoints" / "last.safetensors")
        assert len(records(run)) == steps
        sizes.append((len(json.dumps(stored.facts)), sum(tensor.nbytes for tensor in stored.tensors.values())))
    (facts, tensors), (more_facts, more_tensors) = sizes
    assert abs(more_facts - facts) < 100  # numbers have more or fewer digits
    assert more_tensors == tensors
