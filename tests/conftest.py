"""What tests share: small configs, and the command line as a user calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Called:
    """What a command printed and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def default_type() -> Iterator[None]:
    """A run with `precision: fp64` sets torch's default type, which the next test is not to find."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_default_dtype(sys.modules["torch"].float32)


@pytest.fixture
def nntrain(tmp_path: Path) -> Callable[..., Called]:
    """Calls the command in a process of its own, in an empty folder, as a user does."""

    def call(*arguments: object, cwd: Path = tmp_path, **environment: str) -> Called:
        done = subprocess.run(
            [sys.executable, "-m", "nntrain", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Called(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Called]:
    """Calls the command's own function in this process, in an empty folder: the same, without a new interpreter."""
    from nntrain import cli

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["nntrain", *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        printed = capsys.readouterr()
        return Called(status, printed.out, printed.err)

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file into the empty folder, by default `my.yaml`."""

    def write_file(text: str, name: str = "my.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def shared_data() -> Path:
    """The folder with MNIST and Fashion-MNIST in torchvision's layout, which not everybody has."""
    if not (SHARED_DATA / "MNIST").is_dir():
        pytest.skip(f"needs MNIST and Fashion-MNIST under {SHARED_DATA}")
    return SHARED_DATA
