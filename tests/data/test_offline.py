"""Sets that are on this machine need no network; the others say what they need, and half of one is never taken."""

import http.server
import inspect
import os
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from made import made

from conftest import SHARED_DATA
from nntrain.data import public_files, sound
from nntrain.registry import Registry
from nntrain.schema import component_settings

Command = Callable[..., Any]
HERE = {  # what lies in ../shared/data: the folder of each, and its examples
    "fashion_mnist": ("FashionMNIST", {"train": 54_000, "dev": 6_000, "test": 10_000}),
    "mnist": ("MNIST", {"train": 54_000, "dev": 6_000, "test": 10_000}),
    "sequential_mnist": ("MNIST", {"train": 54_000, "dev": 6_000, "test": 10_000}),
    "cora": ("Planetoid/Cora", {"train": 140, "dev": 500, "test": 1000}),
    "citeseer": ("Planetoid/CiteSeer", {"train": 120, "dev": 500, "test": 1000}),
    "mutag": ("TUDataset/MUTAG", {"train": 132, "dev": 28, "test": 28}),
    "proteins": ("TUDataset/PROTEINS", {"train": 781, "dev": 166, "test": 166}),
    "tiny_shakespeare": ("tinyshakespeare", {"train": 7_842, "dev": 871, "test": 871}),
    "sst2": ("sst2", {"train": 6_920, "dev": 872, "test": 1_821}),
    "multi30k": ("multi30k", {"train": 29_000, "dev": 1_014, "test": 1_000}),
    "spoken_digits": ("fsdd", {"train": 2_430, "dev": 270, "test": 300}),
    "ud_ewt": ("ud_ewt", {"train": 12_544, "dev": 2_001, "test": 2_077}),
    **{
        f"uci name={name}": (f"uci/{folder}", sizes)
        for name, folder, sizes in (
            ("boston", "bostonHousing", {"train": 410, "dev": 45, "test": 51}),
            ("concrete", "concrete", {"train": 835, "dev": 92, "test": 103}),
            ("energy", "energy", {"train": 622, "dev": 69, "test": 77}),
            ("kin8nm", "kin8nm", {"train": 6_636, "dev": 737, "test": 819}),
            ("yacht", "yacht", {"train": 250, "dev": 27, "test": 31}),
        )
    },
}
NEEDED = {
    "uci": ("data.name=yacht",),
    "openml": ("data.id=61",),
    "tu_dataset": ("data.name=ENZYMES",),
}  # settings that have no default
ELSEWHERE = {  # what is not downloaded, and why
    "imagenet": "image-net.org gives it only to those who register",
    "coco": "is not downloaded, since it takes 19 GB",
}
ASKED = (
    "openml",
    "tu_dataset",
    "ogb_nodes",
    "ogb_graphs",
)  # for their sizes, so that without a network there is none to be said


def rooted() -> list[str]:
    """The sets that may have to be downloaded: those that are told by `root` where they are."""
    registry = Registry()
    return [name for name in registry.names("data") if "root" in component_settings(registry.load("data", name))]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no data elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    return tmp_path / "cache" / "nntrain" / "data"


def block(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """No socket is connected, and no name looked up."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """All files below a folder, with size and time."""
    found = {str(path): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (state.st_size, state.st_mtime_ns) for path, state in found.items()}


@pytest.mark.parametrize("name", HERE)
def test_a_set_that_is_here_is_read_without_a_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder, sizes = HERE[name]
    if not (SHARED_DATA / folder).is_dir():
        pytest.skip(f"needs {SHARED_DATA / folder}")
    block(monkeypatch, AssertionError("the network was asked"))
    monkeypatch.setenv("NNTRAIN_DATA", os.fspath(SHARED_DATA))
    before = files(SHARED_DATA / folder)
    monkeypatch.setattr(sound, "frames", lambda recording, read: recording.samples[:1, None])  # that takes its time
    kind, *settings = name.split()
    read = made("data", {"type": kind, **dict(setting.split("=") for setting in settings)}, torch.device("cpu"), None)
    parts = {part: read.split(part) for part in ("train", "dev", "test")}
    assert {part: len(found) for part, found in parts.items() if found is not None} == sizes
    assert "downloading" not in capsys.readouterr().err
    assert files(SHARED_DATA / folder) == before
    assert not cache.exists()


@pytest.mark.parametrize("name", rooted())
def test_without_a_network_it_is_said_what_and_how_much(
    command: Command, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    block(monkeypatch, OSError("no network"))
    refused = command("data", name, *NEEDED.get(name, ()))
    assert refused.status == 2
    assert "Traceback" not in refused.err and "Warning" not in refused.err
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    if name in ELSEWHERE:
        assert ELSEWHERE[name] in refused.err
        return
    if name.startswith("ogb") and find_spec("ogb") is None:
        assert "pip install ogb" in refused.err
        return
    *said, failed = refused.err.splitlines()
    assert "could not be downloaded (" in failed and "or set data.root or NNTRAIN_DATA to the folder" in failed
    if name in ASKED:
        assert said == []
    else:
        (announced,) = said
        assert announced.startswith("downloading ") and announced.endswith(f" to {cache}")
        assert any(unit in announced for unit in (" MB)", " GB)"))


@pytest.mark.parametrize("name", rooted())
def test_the_size_that_is_said_is_documented(name: str) -> None:
    settings = inspect.getdoc(Registry().load("data", name)) or ""
    assert name in (*ELSEWHERE, *ASKED) or " MB" in settings or " GB" in settings


def test_a_size_that_is_asked_for_is_said_in_megabytes(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(bytes(3 << 19))
    (tmp_path / "large").write_bytes(bytes(12 << 20))
    assert public_files.size_of((tmp_path / "small").as_uri()) == "1.5 MB"
    assert public_files.size_of((tmp_path / "large").as_uri()) == "12 MB"


class Breaking(http.server.BaseHTTPRequestHandler):
    """Says how long the answer is, and breaks off in its middle."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half of it")

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def breaking() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Breaking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "module"),
    [("tiny_shakespeare", "tiny_shakespeare"), ("uci", "uci"), ("sst2", "sst2"), ("cora", "planetoid")],
)
def test_an_answer_that_breaks_off_leaves_nothing(
    command: Command, cache: Path, monkeypatch: pytest.MonkeyPatch, breaking: str, name: str, module: str
) -> None:
    monkeypatch.setattr(f"nntrain.data.{module}.URL", breaking)
    refused = command("data", name, *NEEDED.get(name, ()))
    assert refused.status == 2
    assert "could not be downloaded (IncompleteRead(10 bytes read, 990 more expected))" in refused.err
    assert [path for path in cache.rglob("*") if path.is_file()] == []


class Killed(BaseException):
    """Ends a download in its middle."""


def test_a_download_that_is_killed_is_begun_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(folder: Path) -> None:
        (folder / "first").write_text("whole")
        raise Killed

    def whole(folder: Path) -> None:
        for name in ("first", "second"):
            (folder / name).write_text("whole")

    def found(make: Callable[[Path], None]) -> Path:
        return public_files.found_or_made("a set", "folder", ("first", "second"), lambda: "2 MB", make, None)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        # A kill leaves what was written: nobody is there to take it away.
        patch.setattr(public_files.TemporaryDirectory, "__exit__", lambda *_: None)
        patch.setattr(public_files.TemporaryDirectory, "cleanup", lambda *_: None)
        patch.setattr(public_files.TemporaryDirectory, "_cleanup", lambda *_, **__: None)
        found(half)
    assert [path.name for path in cache.rglob("first")] == ["first"]
    assert sorted(path.name for path in found(whole).glob("[a-z]*")) == ["first", "second"]
    assert found(half) == cache / "folder"  # it is there, and nothing is made


def test_two_downloads_at_the_same_time_do_not_harm_each_other(cache: Path) -> None:
    def make(folder: Path, again: bool = True) -> None:
        if again:  # another run begins after this one, and is done before it
            public_files.downloaded("a set", "folder", lambda: "1 MB", lambda other: make(other, False))
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("whole")

    assert public_files.downloaded("a set", "folder", lambda: "1 MB", make) == cache / "folder"
    assert [path.relative_to(cache) for path in cache.rglob("*") if path.is_file()] == [Path("folder/sub/file")]
