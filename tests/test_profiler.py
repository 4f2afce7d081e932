"""`fit --profile`: where the time of some steps goes, as a trace and a table, without a changed bit."""

import gzip
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.profiler import record_function

from nntrain.capture import Captured
from nntrain.profiler import TorchProfiler
from runs import TINY, at_step, instant_disk, only_run, runs_in, same_run, summary_of  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

PLAIN = TINY.replace("30 steps", "90 steps").replace("log: 3 steps", "log: 3 steps, capture: false")
SLEEPING = '''
import time

from torch import Tensor, nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("sleeping")
class Sleeping(nn.Module):
    """A network that does nothing for a while."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.01)
        return x
'''


def events(trace: str | Path) -> list[dict[str, Any]]:
    with gzip.open(trace) as file:
        return json.load(file)["traceEvents"]


def test_a_profiled_run_is_the_same_run(command: Command, write: Write, tmp_path: Path) -> None:
    config = write(PLAIN)
    command("fit", config, "--out", tmp_path / "plain")
    command("fit", config, "--out", tmp_path / "profiled", "--profile")
    same_run(only_run(tmp_path / "plain"), only_run(tmp_path / "profiled"))


def test_steps_are_counted_and_their_operations_named(command: Command, write: Write) -> None:
    summary = command("fit", write(PLAIN), "--profile", "--json").json
    found = summary["profile"]
    assert found == summary_of(Path(summary["run"]))["profile"]
    assert (found["steps"], found["note"]) == (40, None)
    operations = {its["name"]: its for its in found["operations"]}
    assert len(found["operations"]) == 10 == len(operations)
    seconds = [its["seconds"] for its in found["operations"]]
    assert seconds == sorted(seconds, reverse=True)
    assert operations["aten::addmm"]["calls"] == 2 * 40  # two layers
    assert sum(found[name] for name in ("data_wait", "in_torch", "outside_torch")) == pytest.approx(1)
    assert min(found[name] for name in ("data_wait", "in_torch", "outside_torch")) > 0
    assert sum(its["share"] for its in found["operations"]) < found["data_wait"] + found["in_torch"]
    assert operations["aten::addmm"]["share"] == pytest.approx(
        operations["aten::addmm"]["seconds"] / found["step_seconds"] / 40
    )
    assert found["unwatched_step_seconds"] > 0


def test_the_trace_holds_the_steps_and_what_is_in_them(command: Command, write: Write) -> None:
    found = command("fit", write(PLAIN), "--profile", "--json").json["profile"]
    assert found["trace"].endswith(".pt.trace.json.gz")
    names = [event["name"] for event in events(found["trace"]) if event.get("ph") == "X"]
    assert len([name for name in names if name.startswith("ProfilerStep#")]) == 41  # with one that is not counted
    assert names.count("waiting for data") == 41
    assert "evaluating or saving" in names and "aten::addmm" in names


def test_the_table_says_where_the_time_goes(command: Command, write: Write) -> None:
    out = command("fit", write(PLAIN), "--profile").out
    for words in ("time of a step (mean of 40)", "waiting for data", "outside of torch", "aten::addmm", "perfetto"):
        assert words in out


def test_time_outside_of_torch_is_told_from_time_in_it(command: Command, write: Write) -> None:
    write(SLEEPING, "sleeping.py")
    config = write("plugins: [sleeping.py]\ndata: iris\nmodel: sleeping\ntrainer: {length: 20 steps, capture: false}\n")
    found = command("fit", config, "--profile", "--json").json["profile"]
    assert found["outside_torch"] > 0.5 and found["step_seconds"] > 0.01


def test_evaluations_are_no_part_of_the_steps(command: Command, write: Write) -> None:
    """Else the network, which sleeps in evaluations too, would take four times as long."""
    write(SLEEPING, "sleeping.py")
    config = write(
        "plugins: [sleeping.py]\ndata: iris\nmodel: sleeping\n"
        "trainer: {length: 20 steps, evaluate: 1 step, capture: false}\n"
    )
    found = command("fit", config, "--profile", "--json").json["profile"]
    assert 0.01 < found["step_seconds"] < 0.03


class Way:
    """Steps of which one is written down, and the two after it and others proven; settled some steps later."""

    def __init__(self, written: int, proven: tuple[int, ...] = ()) -> None:
        self.apart = {written, written + 1, written + 2, *proven}
        self.written = written
        self.done = 0

    def is_settled(self) -> bool:
        return self.done > self.written + 22

    def calls_apart(self) -> int:
        return len([step for step in self.apart if step < self.done])


@pytest.mark.parametrize(
    ("written", "proven", "first"),
    [
        (20, (), 44),  # once it is settled
        (500, (), 101),  # it is waited for to the half; the first step is none of those that count
        (110, (), 134),  # in the midst of those that were watched
        (110, (150,), 152),
        (20, (60, 90), 92),
        (20, (60, 190), 62),
        (20, (70, 90, 120, 150, 170), 152),  # then there are too few without one
        (170, (), 101),
    ],
)
def test_steps_that_are_written_down_or_proven_are_none_of_them(
    tmp_path: Path, written: int, proven: tuple[int, ...], first: int
) -> None:
    profiler, way = TorchProfiler(tmp_path), Way(written, proven)
    for number in profiler.around(iter(range(200)), 200, way):
        with record_function(f"number {number}"):
            way.done += 1
    profiler.close()
    found = profiler.facts()["profile"]
    names = [event["name"] for event in events(found["trace"]) if event.get("ph") == "X"]
    seen = sorted(int(name.split()[1]) for name in names if name.startswith("number"))
    assert (seen[1], seen[-1], found["steps"]) == (first, first + 39, 40)
    assert found["unwatched_step_seconds"] > 0


def test_a_step_that_is_captured_in_the_midst_is_not_seen(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Captured, "_is_due", lambda self, shape: shape.plain_calls == 110)
    settings = ("trainer.length=200 steps", "data.batch_size=all")  # all batches of one shape
    summary = command("fit", write(TINY), *settings, "--profile", "--json").json
    assert summary["captured"]["model"]["steps"] > 80
    calls = {its["name"]: its["calls"] for its in summary["profile"]["operations"]}
    assert calls["aten::addmm"] == 2 * 40  # one that is done both ways has four


@pytest.mark.parametrize(("length", "steps"), [("30 steps", 22), ("2 steps", 1), ("1 step", 1)])
def test_of_a_short_run_there_is_what_there_is(command: Command, write: Write, length: str, steps: int) -> None:
    called = command("fit", write(PLAIN), f"trainer.length={length}", "--profile")
    assert "the run was over before 40 steps were profiled" in called.out
    assert f"mean of {steps})" in called.out


def test_a_resumed_run_can_be_profiled(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(PLAIN)
    with monkeypatch.context() as patched:
        at_step(patched, 5, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", config, "--profile", "--json")
    assert stopped.json["profile"] is None  # it had not come to it
    run = Path(stopped.json["run"])
    for asked in (("--resume", run), (config, "--resume", "auto")):
        with monkeypatch.context() as patched:
            at_step(patched, 75, lambda: signal.raise_signal(signal.SIGINT))
            resumed = command("fit", *asked, "--profile", "--json").json
        if resumed["status"] == "interrupted":
            assert resumed["profile"]["steps"] == 40
    assert resumed["status"] == "finished" and resumed["profile"]["steps"] < 40
    command("fit", config, "--out", tmp_path / "plain")
    same_run(only_run(tmp_path / "plain"), run)


def test_of_several_stages_the_first_is_profiled(command: Command, write: Write) -> None:
    config = write(f"{PLAIN}stages: [{{}}, {{optimizer: {{lr: 0.01}}}}]\n")
    called = command("fit", config, "--profile", "--json").json
    assert called["status"] == "finished" and called["profile"]["steps"] == 40
    assert len(called["stages"]) == 2


@pytest.mark.parametrize("study", [("--seeds", 2), ("--folds", 2)])
def test_a_study_is_not_profiled(command: Command, write: Write, tmp_path: Path, study: tuple[Any, ...]) -> None:
    called = command("fit", write(TINY), *study, "--profile")
    assert called.status == 2 and f"leave {study[0]} out" in called.err
    assert not (tmp_path / "runs").exists() and runs_in(tmp_path / "runs") == []


def test_a_run_that_is_not_profiled_has_no_trace(command: Command, write: Write, tmp_path: Path) -> None:
    summary = command("fit", write(TINY), "--json").json
    assert "profile" not in summary
    assert not list(only_run(tmp_path / "runs").glob("*.gz"))
