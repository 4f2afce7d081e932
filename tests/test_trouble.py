"""Trouble that comes from outside of the run: disks, folders, clocks, homes, workers. Each ends in one sentence."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import Called
from nntrain.checkpoint import Checkpoint, serialise
from runs import TINY, at_step, best, contents, instant_disk, last, only_run, runs_in, same_run, summary_of  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]
DAC_OVERRIDE, DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24  # of linux/capability.h and linux/prctl.h


def unprivileged() -> None:
    """Takes from a process of root what lets it write where others may not."""
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def call(folder: Path, *arguments: object, environment: Mapping[str, str] | None = None, **named: Any) -> Called:
    """The command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "nntrain", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"} if environment is None else environment,
        capture_output=True,
        text=True,
        timeout=120,
        **named,
    )
    return Called(done.returncode, done.stdout, done.stderr)


def errors(called: Called) -> list[str]:
    assert "Traceback" not in called.err
    return [line for line in called.err.splitlines() if "error:" in line]


# --- Folders and disks.


@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities away")
def test_a_folder_that_may_not_be_written_is_refused_before_the_first_step(write: Write, tmp_path: Path) -> None:
    config = write(TINY)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    refused = call(tmp_path, "fit", config, "--out", closed / "runs", preexec_fn=unprivileged)
    assert refused.status == 2
    (error,) = errors(refused)
    assert "cannot be written" in error and "Permission denied" in error
    assert list(closed.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities away")
def test_a_run_that_may_no_longer_be_written_is_refused_and_left_alone(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 9, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", write(TINY)).status == 143
    run = only_run(tmp_path / "runs")
    before = contents(run)
    for folder in (run, run / "checkpoints"):
        folder.chmod(0o555)
    try:
        refused = call(tmp_path, "fit", "--resume", run, preexec_fn=unprivileged)
    finally:
        for folder in (run, run / "checkpoints"):
            folder.chmod(0o755)
    assert refused.status == 2
    (error,) = errors(refused)
    assert "cannot be written" in error
    assert contents(run) == before


def test_a_disk_without_room_for_three_checkpoints_is_refused_before_the_first_step(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    state = 4 * (4 * 8 + 8 + 8 * 3 + 3) * 2  # weights and momentum
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * state - 1))
    refused = command("fit", write(TINY))
    assert refused.status == 2
    assert "3 checkpoints of this run take" in refused.err and "--out" in refused.err
    assert not (tmp_path / "runs").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 * state))
    assert command("fit", write(TINY)).status == 0


def test_a_file_system_that_cannot_rename_is_refused_and_nothing_left(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "replace", refuse)
    refused = command("fit", write(TINY))
    assert refused.status == 2
    assert "cannot be written" in refused.err
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("gone", [".", "checkpoints"])
def test_a_folder_that_vanishes_ends_the_run_with_one_sentence(
    gone: str, command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 9, lambda: shutil.rmtree(only_run(tmp_path / "runs") / gone))
    called = command("fit", write(TINY))
    assert called.status == 1
    (error,) = errors(called)
    assert "could not be written" in error


def test_a_full_disk_while_logging_ends_the_run_and_spoils_nothing(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the third flush of metrics.jsonl, and free again later."""
    from nntrain.writers import Journal

    config = write(TINY)
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    flush, flushed = Journal.flush, []

    def full(journal: Journal) -> None:
        flushed.append(journal)
        if len(flushed) == 8:
            raise OSError(28, "No space left on device")
        flush(journal)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "flush", full)
        failed = command("fit", config, "--json")
    assert (failed.status, failed.json["status"]) == (1, "failed")
    assert "No space left on device" in failed.json["reason"]
    run = only_run(tmp_path / "runs")
    assert command("fit", "--resume", run).status == 0
    same_run(whole, run)


def test_a_save_that_finds_no_room_leaves_nothing_of_itself(write: Write, tmp_path: Path) -> None:
    """Else the file that is not whole takes the room that is left, and stays where the run is given up."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (6000, 6000))  # bytes: less than a state takes
    failed = call(tmp_path, "fit", write(TINY), preexec_fn=limit)
    assert failed.status == 1
    assert "File too large" in errors(failed)[0]
    run = only_run(tmp_path / "runs")
    assert summary_of(run)["status"] == "failed"
    assert not [name for name in contents(run) if name.split("/")[-1].startswith(".")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_results_that_find_no_room_are_one_sentence() -> None:
    for arguments in (["list", "clips"], ["list", "clips", "--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "nntrain", *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
        assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (500, 500))
    failed = call(tmp_path, "data", "digits", "--pictures", "digits.png", preexec_fn=limit)
    assert failed.status == 1 and "File too large" in failed.err
    assert list(tmp_path.iterdir()) == []


# --- Clocks, homes, names.


def test_a_clock_that_is_set_back_changes_nothing(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(TINY)
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 9, lambda: monkeypatch.setattr(time, "time", lambda: 0.0))
        called = command("fit", config, "trainer.save=1 second", "--json")
    assert called.status == 0
    assert called.json["seconds"] > 0
    run = only_run(tmp_path / "runs")
    assert last(run).facts["position"] == last(whole).facts["position"]
    seconds = [json.loads(line)["seconds"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds) and seconds[0] >= 0


def test_without_a_home_and_a_terminal_below_a_path_with_spaces(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "ein Ordner für Läufe 'n so 🙂"
    folder.mkdir()
    (folder / "mein Netz.yaml").write_text(TINY)
    kept = ("PATH", "PYTHONPATH", "VIRTUAL_ENV")
    bare = {name: os.environ[name] for name in kept if name in os.environ}
    bare |= {"OMP_NUM_THREADS": "1", "HOME": "", "LC_ALL": "C", "TERM": "dumb"}
    fitted = call(folder, "fit", "mein Netz.yaml", "--json", environment=bare, stdin=subprocess.DEVNULL)
    assert fitted.status == 0, fitted.err
    run = Path(fitted.json["run"])
    assert run.is_relative_to(folder / "runs" / "mein Netz")
    measured = call(folder, "eval", run, "--json", environment=bare)
    assert measured.status == 0, measured.err
    longer = call(folder, "fit", "--resume", run, "trainer.length=40 steps", environment=bare)
    assert longer.status == 0, longer.err


@pytest.mark.parametrize("path", ["~nobody-at-all/x.csv", "~/x.csv"])
def test_a_home_that_is_not_there_is_a_path_like_others(
    path: str, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_home(monkeypatch)
    refused = command("check", write("data: {type: table, target: y}\nmodel: linear\n"), f"data.path={path}")
    assert refused.status == 2
    assert f"there is no file {Path.cwd() / path}" in refused.err


def test_data_that_must_be_downloaded_needs_a_place(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_home(monkeypatch)
    refused = command("check", write("data: {type: uci, name: yacht}\nmodel: linear\n"))
    assert refused.status == 2
    assert "there is no home folder" in refused.err and "NNTRAIN_DATA" in refused.err


def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no name."""
    for name in ("HOME", "XDG_CACHE_HOME", "NNTRAIN_DATA"):
        monkeypatch.delenv(name, raising=False)

    def unknown(user: object) -> None:
        raise KeyError(user)

    monkeypatch.setattr("pwd.getpwuid", unknown)


def test_names_that_are_no_text_are_printed_all_the_same(write: Write, tmp_path: Path) -> None:
    """On Linux a file's name is bytes; a terminal may know some letters only."""
    config = write(TINY)
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml")
    config.rename(odd)
    ascii_only = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    fitted = call(tmp_path, "fit", odd, environment=ascii_only)
    assert fitted.status == 0, fitted.err
    assert "runs/" in fitted.out


# --- Other machines.


def test_a_checkpoint_of_a_gpu_is_used_without_one(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    run = Path(command("fit", write(TINY), "--json").json["run"])
    stored = best(run)
    config = {**stored.facts["config"], "trainer": {**stored.facts["config"]["trainer"], "device": "cuda:1"}}
    path = tmp_path / "gpu.safetensors"
    path.write_bytes(serialise(Checkpoint(stored.tensors, {**stored.facts, "config": config})))
    refused = command("eval", path)
    assert refused.status == 2
    assert "no CUDA device" in refused.err and "auto or cpu" in refused.err
    used = command("eval", path, "trainer.device=cpu", "--json")
    assert used.status == 0, used.err
    assert used.json["metrics"] == command("eval", run, "--json").json["metrics"]


# --- Workers.


def test_a_worker_that_is_killed_ends_the_run_with_one_sentence(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(32):
        path = tmp_path / "pictures" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 100 * (i % 2), dtype=np.uint8)).save(path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = write(
        "data: {type: image_folder, path: pictures, batch_size: 4, keep: {type: files, workers: 1}}\n"
        "model: linear\ntrainer: {length: 400 steps, evaluate: 100%, save: 2 steps, preflight: false, samples: false}\n"
    )

    def kill() -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        pytest.skip("needs /proc")
    at_step(monkeypatch, 6, kill)
    called = command("fit", config, "--json")
    assert (called.status, called.json["status"]) == (1, "failed")
    assert "a worker that decodes pictures was killed" in called.json["reason"]
    assert len(errors(called)) == 1
    assert last(runs_in(tmp_path / "runs")[0]).facts["position"]["step"] >= 4
