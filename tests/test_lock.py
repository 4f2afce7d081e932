"""Two processes on one run: the second is refused, and the lock of one that has died is free."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Called
from nntrain.errors import UserError
from nntrain.lock import Lock
from runs import TINY, at_step, contents, instant_disk, only_run, summary_of  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

HOLDING = """
import sys, time
from pathlib import Path
from nntrain.lock import Lock
with Lock(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def run(command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was interrupted."""
    with monkeypatch.context() as patch:
        at_step(patch, 9, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", write(TINY)).status == 143
    return only_run(tmp_path / "runs")


def test_a_second_process_is_refused_until_the_first_is_dead(command: Command, run: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", HOLDING, str(run)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None and owner.stdout.readline() == "held\n"
        before = contents(run)
        for arguments in (["--resume", run], ["my.yaml", "--resume", "auto"]):
            refused = command("fit", *arguments)
            assert refused.status == 2
            assert f"another process is training in {run}" in refused.err
        assert contents(run) == before
    finally:
        owner.kill()
        owner.wait()
    assert command("fit", "--resume", run).status == 0


def test_a_run_is_locked_while_it_trains_and_not_after(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def try_it() -> None:
        with pytest.raises(UserError, match="another process"), Lock(only_run(tmp_path / "runs"), print):
            pass
        refused.append(True)

    with monkeypatch.context() as patch:
        at_step(patch, 5, try_it)
        assert command("fit", write(TINY)).status == 0
    assert refused
    with Lock(only_run(tmp_path / "runs"), pytest.fail):
        pass


def test_a_worker_that_outlives_its_process_holds_no_lock(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with Lock(tmp_path, pytest.fail):
        child = os.fork()
        if child == 0:
            os.write(writing, b"x")
            time.sleep(20)
            os._exit(0)
        os.read(reading, 1)
    try:
        with Lock(tmp_path, pytest.fail):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_where_there_are_no_locks_that_is_said_and_the_run_goes_on(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    resumed = command("fit", "--resume", run)
    assert resumed.status == 0
    assert "cannot be locked" in resumed.err
    assert summary_of(run)["status"] == "finished"


def test_a_refused_resumption_leaves_no_lock(command: Command, run: Path) -> None:
    assert command("fit", "--resume", run, "model.hidden=[9]").status == 2
    with Lock(run, pytest.fail):
        pass
