"""Archives whose paths lead out of the folder: for each that unpacks some, refused, and nothing written outside."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets.utils import extract_archive

from nntrain.data import imdb, public_files
from nntrain.data.archives import check_inside, unpacked_inside
from nntrain.data.imdb import imdb as read_imdb
from nntrain.data.places import downloads
from nntrain.data.public_files import archived, downloaded
from nntrain.errors import UserError

Command = Callable[..., Any]


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, target, 0o644
    return found


HOSTILE: dict[str, list[tarfile.TarInfo]] = {
    "absolute path": [member("OUTSIDE/escaped")],
    "through ..": [member("inner/../../escaped")],
    "symbolic link and through it": [member("link", tarfile.SYMTYPE, "OUTSIDE"), member("link/escaped")],
    "relative symbolic link": [member("link", tarfile.SYMTYPE, "../.."), member("link/escaped")],
    "hard link": [member("link", tarfile.LNKTYPE, "../secret"), member("link")],
    "device": [member("device", tarfile.CHRTYPE)],
    "pipe": [member("pipe", tarfile.FIFOTYPE)],
}


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder beside the one that is unpacked into; afterwards it is as it was, and nothing has escaped."""
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    (tmp_path / "secret").write_text("secret")
    yield folder
    assert list(folder.iterdir()) == []
    assert not [path for path in tmp_path.rglob("escaped") if tmp_path / "cache" not in path.parents]
    assert (tmp_path / "secret").read_text() == "secret" and os.stat(tmp_path / "secret").st_nlink == 1


def tar(path: Path, members: list[tarfile.TarInfo], outside: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for one in members:
            placed = member(
                one.name.replace("OUTSIDE", str(outside)), one.type, one.linkname.replace("OUTSIDE", str(outside))
            )
            placed.size = 7 if placed.isfile() else 0
            archive.addfile(placed, io.BytesIO(b"content") if placed.isfile() else None)
    return path


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_what_unpacks_without_a_word_is_refused(members: list[tarfile.TarInfo], tmp_path: Path, outside: Path) -> None:
    path = tar(tmp_path / "some.tar.gz", members, outside)
    with pytest.raises(tarfile.TarError), unpacked_inside(), tarfile.open(path) as archive:
        archive.extractall(tmp_path / "a" / "b")


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_torchvision_unpacks_nothing_outside(members: list[tarfile.TarInfo], tmp_path: Path, outside: Path) -> None:
    """As CIFAR, STL10, Oxford's pets and VOC are unpacked; a refusal is said in a sentence."""
    path = tar(tmp_path / "some.tar.gz", members, outside)

    def make(folder: Path) -> None:
        extract_archive(path, folder)

    with downloads(allowed=True):
        if members is HOSTILE["absolute path"]:  # which torchvision takes for a relative one
            found = downloaded("some", "some", lambda: "1 MB", make)
            assert [path.name for path in found.rglob("*") if path.is_file()] == ["escaped"]
        else:
            with pytest.raises(UserError, match="some could not be downloaded"):
                downloaded("some", "some", lambda: "1 MB", make)


def test_zip_archives_of_torchvision_leave_nothing_outside(tmp_path: Path, outside: Path) -> None:
    """As EMNIST is unpacked."""
    path = hostile_zip(tmp_path / "some.zip", [f"{outside}/x", "../../../y", "inner/../../../z"])
    with unpacked_inside():
        extract_archive(path, tmp_path / "a" / "b" / "c")
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"secret", "some.zip", "x", "y", "z"}
    assert all((tmp_path / "a" / "b" / "c") in p.parents for p in tmp_path.rglob("[xyz]"))


def hostile_zip(path: Path, names: list[str], link: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"content")
        if link:
            info = zipfile.ZipInfo("link")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, link)
    return path


@pytest.mark.parametrize(
    "name", ["/etc/edges.txt", "../edges.txt", "a/../../edges.txt", "..\\edges.txt", "C:\\edges.txt"]
)
def test_files_are_not_taken_from_such_a_zip_archive(
    name: str, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As graphs of TUDataset and of the Open Graph Benchmark, and spoken digits come."""
    content = hostile_zip(tmp_path / "some.zip", ["good/edges.txt", name], link=str(outside)).read_bytes()
    monkeypatch.setattr(public_files, "fetched", lambda url: content)
    with pytest.raises(OSError, match="leads out of its folder"):
        archived("https://example.org/some.zip", {"edges.txt": "edges.txt"})


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_reviews_are_not_read_through_links(members: list[tarfile.TarInfo], tmp_path: Path, outside: Path) -> None:
    """IMDb's archive is read without being unpacked; links and devices among the reviews are passed over."""
    (tmp_path / "imdb").mkdir()
    among = [member(f"aclImdb/train/pos/{i}_9.txt", one.type, one.linkname) for i, one in enumerate(members)]
    links = [one for one in among if not one.isfile()]
    good = [member("aclImdb/train/neg/0_1.txt"), member("aclImdb/train/pos/9_9.txt")]
    path = tmp_path / "imdb" / next(iter(imdb.FILES))
    tar(path, [*good, *links], outside)
    assert read_imdb(root=str(tmp_path)).train().inputs == ["content", "content"]
    paths = [one for one in members if one.isfile() and ("OUTSIDE" in one.name or ".." in one.name)]
    if paths:
        tar(path, [*good, *paths], outside)
        with pytest.raises(UserError, match="leads out of its folder"):
            read_imdb(root=str(tmp_path)).train()


@pytest.mark.parametrize("path", ["a/b.txt", "..a/b..", "a.b/c", "."])
def test_other_paths_are_taken(path: str) -> None:
    check_inside("some.zip", path)


def test_the_way_of_unpacking_is_as_before_afterwards() -> None:
    before = tarfile.TarFile.__dict__.get("extraction_filter")
    with unpacked_inside():
        assert tarfile.TarFile.__dict__["extraction_filter"] is not before
    assert tarfile.TarFile.__dict__.get("extraction_filter") is before
