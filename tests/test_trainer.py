"""How a run ends, what it says then, and what it keeps."""

import itertools
import math
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Called
from nntrain.terminal import ProgressBar
from runs import TINY, at_step, best, bits, instant_disk, last, records, runs_in, same_run, summary_of  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

# Learns by heart: the dev loss gets worse after a while.
OVERFITTING = """
data: {type: iris, batch_size: 16, split: {dev: 0.4}}
model: {type: mlp, hidden: [64]}
optimizer: {type: adam, lr: 0.05}
trainer: {length: 300 steps, evaluate: 5 steps, save: 9 steps, monitor: dev/loss}
"""

# The weights grow by a factor of thousands a step, until their square is too large for a number.
DIVERGING = """
data: {type: diabetes, batch_size: all}
model: linear
optimizer: {type: sgd, lr: 1000}
trainer: {length: 50 steps, evaluate: 10 steps, save: 1 step, log: 10 steps}
"""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals = signal.SIGINT) -> None:
    at_step(monkeypatch, step, lambda: signal.raise_signal(number))


def temporary_files(run: Path) -> list[Path]:
    return [path for path in run.rglob("*") if path.name.startswith(".")]


# --- Finished.


def test_a_finished_run_says_so(command: Command, write: Write) -> None:
    called = command("fit", write(TINY), "--json")
    summary = called.json
    assert called.status == 0
    assert (summary["status"], summary["reason"]) == ("finished", None)
    assert (summary["steps"], summary["epochs"]) == (30, 30 / 7)
    assert summary["model"] == {"type": "mlp", "parameters": 4 * 8 + 8 + 8 * 3 + 3}
    assert summary["examples_per_second"] > 0
    assert 0 < summary["seconds"] < 60


def test_the_summary_holds_the_last_evaluation_and_the_best(command: Command, write: Write) -> None:
    summary = command("fit", write(OVERFITTING), "--json").json
    run = Path(summary["run"])
    lines = records(run)
    assert summary["dev"] == lines[-1]["dev"]
    assert summary["train"] == {name: lines[-1]["train"][name] for name in ("loss", "error_rate", "accuracy")}
    lowest = min(lines, key=lambda record: record["dev"]["loss"])
    assert 0 < lowest["step"] < 300
    assert summary["best"] == {
        "metric": "dev/loss",
        "value": lowest["dev"]["loss"],
        "step": lowest["step"],
        "checkpoint": str(run / "checkpoints" / "best.safetensors"),
        "metrics": lowest["dev"],
    }
    assert summary_of(run) == summary


def test_the_last_evaluation_is_of_the_last_step(command: Command, write: Write) -> None:
    for length in ("31 steps", "1 step", "4 epochs"):
        run = Path(command("fit", write(TINY), f"trainer.length={length}", "--json").json["run"])
        assert records(run)[-1]["step"] == summary_of(run)["steps"] == last(run).facts["position"]["step"]


def test_the_best_model_is_that_of_its_step(command: Command, write: Write) -> None:
    config = write(OVERFITTING)
    run = Path(command("fit", config, "--json").json["run"])
    step = summary_of(run)["best"]["step"]
    shorter = Path(command("fit", config, f"trainer.length={step} steps", "--json").json["run"])
    assert best(run).facts["position"]["step"] == step
    assert bits(best(run), "model") == bits(last(shorter), "model") != bits(last(run), "model")


@pytest.mark.parametrize(
    ("monitor", "choose"), [("dev/accuracy", max), ("dev/error_rate", min), ("train/loss", min), ("auto", min)]
)
def test_the_best_is_the_first_with_the_best_value_of_what_is_monitored(
    monitor: str, choose: Callable[..., float], command: Command, write: Write
) -> None:
    summary = command("fit", write(OVERFITTING), f"trainer.monitor={monitor}", "--json").json
    part, name = ("dev/error_rate" if monitor == "auto" else monitor).split("/")
    values = {record["step"]: record[part][name] for record in records(Path(summary["run"]))}
    assert summary["best"]["metric"] == f"{part}/{name}"
    assert summary["best"]["value"] == choose(values.values())
    assert summary["best"]["step"] == min(step for step, value in values.items() if value == choose(values.values()))


def test_only_what_is_needed_is_kept(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    names = {path.name for path in (run / "checkpoints").iterdir()}
    states = {"last.safetensors", "previous.safetensors"}
    assert names == {*states, "best.safetensors", "previous-best.safetensors"}
    assert temporary_files(run) == []


# --- Stopped early.


def stalls_at(values: dict[int, float], patience: int, min_change: float) -> tuple[int, int]:
    """The step at which early stopping ends a run whose metric should fall, and the step of its best."""
    best_step, lowest = 0, math.inf
    for step, value in values.items():
        if lowest - value > min_change:
            best_step, lowest = step, value
        if step - best_step >= patience:
            return step, best_step
    raise AssertionError("it never stalls")


@pytest.mark.parametrize(("patience", "min_change"), [(5, 0.0), (12, 0.0), (30, 0.0), (15, 0.05), (10, 0.3)])
def test_early_stopping_ends_a_run_when_its_patience_is_over(
    patience: int, min_change: float, command: Command, write: Write
) -> None:
    config = write(OVERFITTING)
    whole = Path(command("fit", config, "--json").json["run"])
    values = {record["step"]: record["dev"]["loss"] for record in records(whole)}
    stopping = f"trainer.early_stopping={{patience: {patience} steps, min_change: {min_change}}}"
    called = command("fit", config, stopping, "--json")
    summary = called.json
    stopped, _ = stalls_at(values, patience, min_change)
    assert (called.status, summary["status"], summary["steps"]) == (0, "stopped_early", stopped)
    run = Path(summary["run"])
    assert records(run)[-1]["step"] == last(run).facts["position"]["step"] == stopped < 300
    lowest = min(step for step in values if values[step] == min(v for s, v in values.items() if s <= stopped))
    assert summary["best"]["step"] == best(run).facts["position"]["step"] == lowest


def test_early_stopping_may_watch_another_metric_than_the_best_is_chosen_by(command: Command, write: Write) -> None:
    config = write(OVERFITTING)
    summary = command(
        "fit", config, "trainer.early_stopping={patience: 20 steps, monitor: train/accuracy}", "--json"
    ).json
    accuracies = {record["step"]: -record["train"]["accuracy"] for record in records(Path(summary["run"]))}
    losses = {record["step"]: record["dev"]["loss"] for record in records(Path(summary["run"]))}
    assert summary["status"] == "stopped_early"
    assert summary["steps"] == stalls_at(accuracies, 20, 0.0)[0]
    assert summary["best"]["step"] == min(losses, key=lambda step: losses[step])


@pytest.mark.parametrize("monitor", ["dev/loss", "dev/error_rate", "dev/accuracy", "train/loss", "train/accuracy"])
def test_any_metric_can_stop_a_run_whose_best_model_is_what_is_used(
    monitor: str, command: Command, write: Write
) -> None:
    stopping = "trainer.early_stopping={patience: 15 steps, min_change: 0.02}"
    summary = command("fit", write(OVERFITTING), stopping, f"trainer.monitor={monitor}", "--json").json
    run, (part, name) = Path(summary["run"]), monitor.split("/")
    sign = -1 if name == "accuracy" else 1
    values = {record["step"]: sign * record[part][name] for record in records(run)}
    assert summary["status"] == "stopped_early"
    assert summary["steps"] == stalls_at(values, 15, 0.02)[0]
    assert summary["best"]["step"] == min(values, key=lambda step: values[step])
    at_best = next(record for record in records(run) if record["step"] == summary["best"]["step"])
    assert command("eval", run, "--json").json["metrics"] == pytest.approx(at_best["dev"], rel=1e-6)


def test_a_run_that_gets_better_all_the_time_is_not_stopped(command: Command, write: Write) -> None:
    stopping = "trainer.early_stopping={patience: 5 steps, monitor: train/loss}"
    called = command("fit", write(TINY.replace(", dropout: 0.2", "")), stopping, "--json")
    assert called.json["status"] == "finished"


# --- Diverged.


def test_a_run_that_diverges_fails_with_one_sentence(command: Command, write: Write) -> None:
    called = command("fit", write(DIVERGING), "--json")
    summary = called.json
    assert called.status == 1
    assert summary["status"] == "diverged"
    errors = [line for line in called.err.splitlines() if line.startswith("error:")]
    assert errors == [f"error: {summary['reason']}"] == called.err.splitlines()[-1:]
    assert "optimizer.lr" in summary["reason"]
    assert summary_of(Path(summary["run"])) == summary


def test_a_run_that_diverges_keeps_a_state_that_has_not(command: Command, write: Write) -> None:
    summary = command("fit", write(DIVERGING), "--json").json
    state = last(Path(summary["run"]))
    assert 0 < state.facts["position"]["step"] == summary["steps"] < 50
    assert all(torch.isfinite(tensor).all() for name, tensor in state.tensors.items() if name != "random.gauss")


def test_a_run_that_diverges_leaves_no_temporary_file(command: Command, write: Write) -> None:
    summary = command("fit", write(DIVERGING), "trainer.save=100%", "trainer.evaluate=1 step", "--json").json
    assert (summary["status"], summary["best"]) == ("diverged", None)
    assert temporary_files(Path(summary["run"])) == []


def test_a_state_that_is_not_finite_is_never_saved(command: Command, write: Write) -> None:
    """Also where the step itself makes it so: before it, loss and gradient were fine."""
    called = command("fit", write(DIVERGING), "optimizer.lr=1e39", "--json")
    assert (called.status, called.json["status"]) == (1, "diverged")
    folder = Path(called.json["run"]) / "checkpoints"
    assert [path.name for path in folder.iterdir()] == []


def test_what_a_diverging_run_measured_is_null_where_it_is_no_number(command: Command, write: Write) -> None:
    called = command("fit", write(DIVERGING), "optimizer.lr=1e25", "trainer.evaluate=1 step", "--json")
    summary = called.json
    assert (called.status, summary["status"], summary["steps"]) == (1, "diverged", 1)
    (record,) = records(Path(summary["run"]))
    assert record["dev"]["loss"] is record["train"]["loss"] is summary["dev"]["loss"] is None
    assert record["dev"]["rmse"] > 1e20
    assert "Infinity" not in (Path(summary["run"]) / "summary.json").read_text()


def test_a_run_that_diverged_goes_on_with_a_lower_rate(command: Command, write: Write) -> None:
    config = write(DIVERGING)
    diverged = command("fit", config, "trainer.save=4 steps", "--json").json
    assert (diverged["status"], diverged["steps"]) == ("diverged", 5)
    resumed = command("fit", "--resume", diverged["run"], "optimizer.lr=0.1", "--json")
    assert (resumed.status, resumed.json["status"], resumed.json["steps"]) == (0, "finished", 50)


# --- Interrupted.


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_after_its_step_with_the_state_saved(
    number: signal.Signals, status: int, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(TINY)
    with monkeypatch.context() as patch:
        stop_at(patch, 11, number)
        stopped = command("fit", config, "--json")
    run = Path(stopped.json["run"])
    assert stopped.status == status
    assert (stopped.json["status"], stopped.json["steps"]) == ("interrupted", 12)
    assert last(run).facts["position"]["step"] == 12
    assert records(run)[-1]["step"] == 10
    assert f"fit --resume {run}" in stopped.err
    assert temporary_files(run) == []


def test_a_signal_in_the_last_step_does_not_matter(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(TINY)
    whole = Path(command("fit", config, "--json").json["run"])
    with monkeypatch.context() as patch:
        stop_at(patch, 30)
        called = command("fit", config, "--json")
    assert (called.status, called.json["status"]) == (0, "finished")
    same_run(whole, Path(called.json["run"]))


def test_sigusr1_saves_and_the_run_goes_on(command: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(TINY.replace("save: 7 steps", "save: 100%"))
    whole = Path(command("fit", config, "--json").json["run"])
    seen: list[int] = []
    with monkeypatch.context() as patch:
        stop_at(patch, 11, signal.SIGUSR1)
        at_step(patch, 20, lambda: seen.append(last(runs_in(Path("usr"))[0]).facts["position"]["step"]))
        called = command("fit", config, "--out", "usr", "--json")
    assert (called.status, called.json["status"]) == (0, "finished")
    assert seen == [12]  # the signal came in the step after the 11th
    same_run(whole, Path(called.json["run"]))


def test_the_signals_do_what_they_did_before_after_a_run(command: Command, write: Write) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    command("fit", write(TINY))
    assert [signal.getsignal(number) for number in numbers] == before


# --- Failed.


def full_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the disk be full after so many files: the next one is written by half."""
    files = itertools.count()
    write_bytes, opened = Path.write_bytes, Path.open

    def check() -> None:
        if next(files) >= count:
            raise OSError(28, "No space left on device")

    def write_half(path: Path, content: bytes) -> None:
        write_bytes(path, content[: len(content) // 2])
        check()
        write_bytes(path, content)

    def open_or_fail(path: Path, mode: str = "r", **named: Any) -> object:
        file = opened(path, mode, **named)
        if mode == "wb" and path.name.endswith(".writing") and "summary" not in path.name:
            check()
        return file

    monkeypatch.setattr(Path, "write_bytes", write_half)
    monkeypatch.setattr(Path, "open", open_or_fail)


def test_a_full_disk_fails_the_run_and_spoils_nothing(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = write(TINY)
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    for count in range(2, 11):  # the first two are of the folder itself
        out = tmp_path / str(count)
        with monkeypatch.context() as patch:
            full_after(count, patch)
            called = command("fit", config, "--out", out, "--json")
        assert (called.status, called.json["status"]) == (1, "failed")
        assert called.err.splitlines()[-1] == f"error: {called.json['reason']}"
        assert "No space left on device" in called.json["reason"]
        (run,) = runs_in(out)
        if called.json["best"]:
            assert best(run).facts["position"]["step"] == called.json["best"]["step"]
        assert command("fit", "--resume", run).status == 0
        same_run(whole, run)


def test_a_disk_that_stays_full_is_said_in_one_sentence(command: Command, write: Write, tmp_path: Path) -> None:
    """A real limit: no file of this process may be longer, so that even the summary cannot be written."""
    resource = pytest.importorskip("resource")
    config = write(TINY)
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ended = []
    for limit in (100, 800, 2000, 5000, 8000):  # of what is flushed at the end; records; summary; best; last
        try:
            with pytest.MonkeyPatch.context() as patch:
                at_step(patch, 1, lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard)))
                called = command("fit", config, "--out", tmp_path / str(limit))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)
        ended.append(
            (called.status, [line for line in called.err.splitlines() if re.match("(internal )?error:", line)])
        )
    for status, errors in ended:
        assert status == 1
        assert len(errors) == 1
        assert errors[0].startswith("error: the run could not be written"), errors


def test_a_run_that_failed_in_a_step_says_what_went_wrong(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(bar: ProgressBar, step: int) -> None:
        raise RuntimeError("something\nbroke")

    monkeypatch.setattr(ProgressBar, "step", fail)
    called = command("fit", write(TINY), "--json")
    assert (called.status, called.json["status"]) == (1, "failed")
    assert "something broke" in called.json["reason"]
    assert "Traceback" not in called.err


# --- Settings of a resumed run.


def test_a_resumed_run_has_the_threads_that_it_is_given(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    seen = []
    try:
        config = write(TINY)
        with monkeypatch.context() as patch:
            stop_at(patch, 11)
            run = command("fit", config, "trainer.threads=1", "--json").json["run"]
        at_step(monkeypatch, 20, lambda: seen.append(torch.get_num_threads()))
        assert command("fit", "--resume", run, "trainer.threads=2").status == 0
    finally:
        torch.set_num_threads(before)
    assert seen == [2]
