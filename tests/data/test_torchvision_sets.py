"""Image sets that torchvision reads: found where they lie, refused in a sentence where they do not."""

import bz2
import gzip
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets
from PIL import Image

from nntrain.data.mnist import emnist
from nntrain.overlays import palette

Command = Callable[..., Any]
DOWNLOADED = [
    "cifar10",
    "cifar100",
    "usps",
    "svhn",
    "stl10",
    "kmnist",
    "emnist",
    "oxford_pets",
    "oxford_pets_masks",
    "voc_masks",
]


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)


@pytest.mark.parametrize("name", [*DOWNLOADED, "imagenet"])
def test_a_root_without_the_set_is_pointed_at(
    command: Command, write: Callable[..., Path], name: str, tmp_path: Path
) -> None:
    refused = command("check", write(f"data: {{type: {name}, root: {tmp_path}}}\nmodel: linear\n"))
    assert refused.status == 2
    assert "my.yaml:1:" in refused.err
    assert "data.root" in refused.err


def facts(command: Command, name: str, tmp_path: Path, *settings: str) -> dict[str, Any]:
    said = command("data", name, f"data.root={tmp_path}", "--json", *settings)
    assert said.status == 0, said.err
    return said.json


def test_usps(command: Command, tmp_path: Path) -> None:
    (tmp_path / "USPS").mkdir()
    pixels = " ".join(f"{i}:{-1.0 if i % 2 else 1.0}" for i in range(1, 257))
    for file, count in (("usps.bz2", 40), ("usps.t.bz2", 7)):
        rows = "".join(f"{1 + i % 10} {pixels} \n" for i in range(count))
        (tmp_path / "USPS" / file).write_bytes(bz2.compress(rows.encode()))
    found = facts(command, "usps", tmp_path)
    assert found["inputs"] == "images of shape (1, 16, 16)"
    assert found["splits"]["test"]["examples"] == 7
    assert found["splits"]["train"]["inputs"][0]["mean"] == pytest.approx(0.5)


def test_svhn_counts_the_digit_0_as_0(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "SVHN").mkdir()
    for part, count in (("train", 40), ("test", 10)):
        pixels = np.zeros((32, 32, 3, count), dtype=np.uint8)
        pixels[:, :, 1] = 255
        labels = (np.arange(count) % 10 + 1).reshape(-1, 1).astype(np.uint8)
        scipy.io.savemat(tmp_path / "SVHN" / f"{part}_32x32.mat", {"X": pixels, "y": labels})
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda self: True)
    found = facts(command, "svhn", tmp_path)
    assert [row["mean"] for row in found["splits"]["train"]["inputs"]] == pytest.approx([0, 1, 0])
    assert found["splits"]["test"]["classes"] == {str(i): 1 for i in range(10)}


def idx(images: torch.Tensor, labels: torch.Tensor) -> tuple[bytes, bytes]:
    head = struct.pack(">iiii", 2051, len(images), 28, 28)
    return head + images.numpy().tobytes(), struct.pack(">ii", 2049, len(labels)) + labels.numpy().tobytes()


@pytest.mark.parametrize(("part", "first", "classes"), [("letters", 1, 26), ("balanced", 0, 47)])
def test_emnist_is_set_upright_and_counted_from_0(
    command: Command, tmp_path: Path, part: str, first: int, classes: int
) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    images = torch.zeros(2 * classes, 28, 28, dtype=torch.uint8)
    images[:, :, 0] = 255  # a column, as it is stored: a row
    labels = (torch.arange(2 * classes) % classes + first).to(torch.uint8)
    for name in ("train", "test"):
        for kind, content in zip(("images-idx3-ubyte", "labels-idx1-ubyte"), idx(images, labels), strict=True):
            (raw / f"emnist-{part}-{name}-{kind}.gz").write_bytes(gzip.compress(content))
    found = facts(command, "emnist", tmp_path, f"data.part={part}")
    assert set(found["splits"]["test"]["classes"].values()) == {2}
    assert len(found["splits"]["test"]["classes"]) == classes
    upright = emnist(root=str(tmp_path), part=part).train.inputs  # type: ignore[arg-type]
    assert bool((upright[:, :, 0] == 255).all())
    assert bool((upright[:, :, 1:] == 0).all())


def test_oxford_pets(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for part, count in (("trainval", 20), ("test", 6)):
        names = [f"{breed}_{part}{i}" for i in range(count // 2) for breed in ("Abyssinian", "great_pyrenees")]
        for name in names:
            Image.new("RGB", (50, 40), (200, 0, 0)).save(folder / "images" / f"{name}.jpg")
        rows = "".join(f"{name} {1 if name[0] == 'A' else 2} 1 1\n" for name in names)
        (folder / "annotations" / f"{part}.txt").write_text(rows)
    found = facts(command, "oxford_pets", tmp_path, "data.size=[24,32]")
    assert found["inputs"] == "images of shape (3, 24, 32)"
    assert found["splits"]["test"]["classes"] == {"Abyssinian": 3, "great pyrenees": 3}


def test_oxford_pets_masks(command: Command, tmp_path: Path) -> None:
    """Trimaps hold 1 for the pet, 2 for the background, 3 for the border; the last column is black there."""
    folder = tmp_path / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    trimap = np.full((40, 50), 2, dtype=np.uint8)
    trimap[:, :10], trimap[:, 10:15] = 1, 3
    for part, count in (("trainval", 20), ("test", 6)):
        names = [f"Abyssinian_{part}{i}" for i in range(count)]
        for name in names:
            Image.new("RGB", (50, 40), (200, 0, 0)).save(folder / "images" / f"{name}.jpg")
            Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
        (folder / "annotations" / f"{part}.txt").write_text("".join(f"{name} 1 1 1\n" for name in names))
    found = facts(command, "oxford_pets_masks", tmp_path, "data.size=[40,50]")
    assert found["inputs"] == "images of shape (3, 40, 50)" and found["targets"] == "masks of 3 classes"
    pixels = {"background": 6 * 40 * 35, "pet": 6 * 40 * 10, "border": 6 * 40 * 5}
    assert found["splits"]["test"]["classes"] == pixels
    found = facts(command, "oxford_pets_masks", tmp_path, "data.size=[40,50]", "data.border=ignored")
    assert found["splits"]["test"]["classes"] == {name: pixels[name] for name in ("background", "pet")}


@pytest.mark.parametrize(("year", "folder"), [(2012, "VOCdevkit/VOC2012"), (2011, "TrainVal/VOCdevkit/VOC2011")])
def test_voc_masks(year: int, folder: str, command: Command, tmp_path: Path) -> None:
    devkit = tmp_path / folder
    for below in ("ImageSets/Segmentation", "JPEGImages", "SegmentationClass"):
        (devkit / below).mkdir(parents=True)
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[:, :10], mask[:, 10] = 15, 255
    drawn = Image.fromarray(mask)
    drawn.putpalette(palette(256).flatten().tolist())
    for part, count in (("train", 12), ("val", 4)):
        names = [f"2007_{part}{i}" for i in range(count)]
        for name in names:
            Image.new("RGB", (40, 30), (200, 0, 0)).save(devkit / "JPEGImages" / f"{name}.jpg")
            drawn.save(devkit / "SegmentationClass" / f"{name}.png")
        (devkit / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("\n".join(names) + "\n")
    found = facts(command, "voc_masks", tmp_path, "data.size=[30,40]", f"data.year={year}")
    assert found["targets"] == "masks of 21 classes"
    pixels = found["splits"]["dev"]["classes"]
    assert {name: n for name, n in pixels.items() if n} == {"background": 4 * 30 * 29, "person": 4 * 30 * 10}
