"""The folder of a run: made once, never overwritten."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from nntrain import __version__
from nntrain.checkpoints import Checkpoints
from nntrain.device import Device
from nntrain.durable import write_durably
from nntrain.errors import UserError
from nntrain.writers import finite

ENDED = ("finished", "stopped_early")


def now() -> str:
    """Date and time as folders are named."""
    return datetime.now().strftime("%Y-%m-%dT%H-%M-%S")


class Run:
    """A run's folder and what lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.summary = path / "summary.json"
        self.diverged = path / "diverged.json"
        self.checkpoints = Checkpoints(path / "checkpoints")

    @classmethod
    def create(cls, out: Path, name: str, config: str, environment: dict[str, Any], label: str | None = None) -> "Run":
        """Makes `out/name/label`, date and time where there is no label; the second of two equal ones is `-2`."""
        stamp = label or now()
        with _refusals(out):
            (out / name).mkdir(parents=True, exist_ok=True)
            path = next(path for path in _numbered(out.resolve() / name / stamp) if _made(path))
            try:
                run = cls(path)
                (path / "checkpoints").mkdir()
                write_durably(path / "environment.json", _json(environment))
                write_durably(run.config, config.encode())  # which makes it a run that can be gone on with
            except OSError:
                shutil.rmtree(path, ignore_errors=True)
                raise
        return run

    @classmethod
    def open(cls, path: Path) -> "Run":
        run = cls(path.resolve())
        if not run.config.is_file():
            raise UserError(f"{path} is not a run: it holds no config.yaml")
        return run

    def check_writable(self) -> None:
        """UserError where nothing can be written and renamed in the folder of checkpoints."""
        probe = self.checkpoints.last.with_name(".probe")
        with _refusals(self.path):
            probe.parent.mkdir(exist_ok=True)
            write_durably(probe, b"")
            probe.unlink()

    def is_finished(self) -> bool:
        return self.summary_status() in ENDED

    def summary_status(self) -> str | None:
        try:
            return json.loads(self.summary.read_text(encoding="utf-8"))["status"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def go_on(self, config: str | None) -> None:
        """Notes that the run is going on, and with which settings where they have changed."""
        for outdated in (self.summary, self.diverged, self.checkpoints.diverged):
            outdated.unlink(missing_ok=True)
        if config is not None:
            write_durably(self.config, config.encode())

    def write_divergence(self, model: bytes, facts: dict[str, Any]) -> None:
        """Keeps the model before an update whose loss or gradient was not finite, and what is known of the update."""
        write_durably(self.checkpoints.diverged, model)
        write_durably(self.diverged, _json(facts))

    def divergence(self) -> dict[str, Any]:
        """What is known of the update that ended the run; UserError where none did."""
        try:
            facts: dict[str, Any] = json.loads(self.diverged.read_text(encoding="utf-8"))
            is_whole = all(isinstance(facts[key], int) and facts[key] >= 0 for key in ("stage", "step"))
            is_whole = is_whole and all(isinstance(facts[key], str) for key in ("objective", "seen"))
        except OSError:
            raise UserError(f"{self.path} has not diverged; there is no batch to replay") from None
        except (ValueError, LookupError, TypeError, RecursionError):
            is_whole = False
        if not is_whole:
            raise UserError(f"{self.diverged} is damaged; the run must diverge again to show the batch")
        return facts

    def write_summary(self, summary: dict[str, Any]) -> None:
        write_durably(self.summary, _json(summary))


@contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """A folder that nobody else has, by this name or `-2`, `-3`; it goes again where nothing came to be in it."""
    with _refusals(path):
        new = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        made = next(numbered for numbered in _numbered(path) if _made(numbered))
    try:
        yield made
    finally:
        with suppress(OSError):
            for folder in (made, *new):
                folder.rmdir()


@contextmanager
def _refusals(place: Path) -> Iterator[None]:
    """Within it, what cannot be written is a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"the run's folder cannot be written: {error.filename or place}: {error.strerror}") from None


def check_room(out: Path, checkpoint: int, checkpoints: int) -> None:
    """UserError where there is no room for so many checkpoints of a run, each of so many bytes."""
    folder = next(path for path in (out.resolve(), *out.resolve().parents) if path.exists())
    free, needed = shutil.disk_usage(folder).free, checkpoints * checkpoint
    if free < needed:
        room = f"{checkpoints} checkpoints of this run take {needed / 1e6:,.0f} MB, and {folder} has room for"
        raise UserError(f"{room} {free / 1e6:,.0f} MB; make some, or give another folder by --out")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 1000):
        yield path.with_name(f"{path.name}-{number}")


def _made(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(finite(value), indent=2).encode() + b"\n"


def describe_environment(device: Device, seed: int, data: dict[str, Any]) -> dict[str, Any]:
    """What a run depended on beside its config; `data` says how large its data is, and of texts which."""
    return {
        "nntrain": __version__,
        "command": sys.argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {
            "torch": torch.__version__,  # with the build, such as +cu132
            **{name: _version(name) for name in ("torchvision", "numpy", "scikit-learn")},
        },
        "device": device.describe(),
        "not_deterministic": device.not_deterministic(),
        "cores": os.cpu_count(),
        "git": _git_commit(),
        "seed": seed,
        "data": data,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the current folder, with + where files differ from it; None outside of git."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() + ("+" if status.stdout.strip() else "")
