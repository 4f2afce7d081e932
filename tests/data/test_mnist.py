"""The MNIST family, read from IDX files."""

import gzip
import struct
from pathlib import Path

import pytest
import torch

from nntrain.data.in_memory import InMemory, Source
from nntrain.data.mnist import fashion_mnist, mnist
from nntrain.errors import UnfitError, UserError
from nntrain.specs import Image

CPU = torch.device("cpu")
COUNTS = {"train": 20, "t10k": 10}
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def pixels(count: int) -> bytes:
    return bytes((7 * i + i // 784) % 256 for i in range(784 * count))


def labels(count: int) -> bytes:
    return bytes(i % 10 for i in range(count))


def images_file(count: int, content: bytes | None = None) -> bytes:
    return struct.pack(">iiii", 2051, count, 28, 28) + (pixels(count) if content is None else content)


def labels_file(count: int, content: bytes | None = None) -> bytes:
    return struct.pack(">ii", 2049, count) + (labels(count) if content is None else content)


@pytest.fixture(autouse=True)
def _no_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a set of 20 training and 10 test images, as they are unpacked."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in COUNTS.items():
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images_file(count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels_file(count))
    return tmp_path / "data"


def pack(root: Path) -> None:
    for path in list((root / "MNIST" / "raw").iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def replace(root: Path, name: str, content: bytes) -> Path:
    path = root / "MNIST" / "raw" / name
    path.write_bytes(content)
    return path


def assert_as_written(source: Source) -> None:
    assert source.test is not None
    for examples, count in ((source.train, 20), (source.test(), 10)):
        assert examples.inputs.shape == (count, 1, 28, 28)
        assert bytes(examples.inputs.flatten().tolist()) == pixels(count)
        assert examples.targets.tolist() == list(labels(count))
        assert examples.targets.dtype == torch.int64
    assert source.inputs == Image(1, 28, 28)
    assert len(source.targets) == 10


def test_unpacked_files_are_read(root: Path) -> None:
    assert_as_written(mnist(root=str(root)))


def test_packed_files_are_read_and_left_as_they_are(root: Path) -> None:
    pack(root)
    before = sorted(path.name for path in (root / "MNIST" / "raw").iterdir())
    assert_as_written(mnist(root=str(root)))
    assert sorted(path.name for path in (root / "MNIST" / "raw").iterdir()) == before


def test_the_folder_may_come_from_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNTRAIN_DATA", str(root))
    assert_as_written(mnist())


def test_pixels_become_numbers_from_0_to_1(root: Path) -> None:
    data = InMemory(lambda: mnist(root=str(root)), CPU, None, standardize=False)
    train, test = data.split("train"), data.split("test")
    assert train is not None and test is not None
    assert (len(train), len(test)) == (18, 10)
    expected = torch.tensor(list(pixels(10))).view(10, 1, 28, 28) / 255
    torch.testing.assert_close(test.inputs, expected)


def test_a_folder_without_the_set_is_refused(root: Path) -> None:
    with pytest.raises(UnfitError, match="holds no FashionMNIST/raw with the files of fashion_mnist") as error:
        fashion_mnist(root=str(root))
    assert error.value.path == ("root",)


def test_a_folder_with_a_part_of_the_set_is_refused(root: Path) -> None:
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UnfitError, match="holds no MNIST/raw with the files of mnist"):
        mnist(root=str(root))


WHOLE = gzip.compress(images_file(20))
DAMAGED = {
    "empty": (TRAIN_IMAGES, b""),
    "cut in the header": (TRAIN_IMAGES, images_file(20)[:10]),
    "cut in the pixels": (TRAIN_IMAGES, images_file(20)[:-1]),
    "one byte too many": (TRAIN_IMAGES, images_file(20) + b"\0"),
    "another count": (TRAIN_LABELS, struct.pack(">ii", 2049, 21) + labels(20)),
    "labels in the place of images": (TRAIN_IMAGES, labels_file(20)),
    "a label that is no class": (TRAIN_LABELS, labels_file(20, bytes(19) + b"\x0a")),
    "a page of the web": (TRAIN_IMAGES, b"<html>404 not found, but long enough to have a header</html>"),
    "packed: empty": (f"{TRAIN_IMAGES}.gz", b""),
    "packed: not packed at all": (f"{TRAIN_IMAGES}.gz", images_file(20)),
    "packed: cut": (f"{TRAIN_IMAGES}.gz", WHOLE[: len(WHOLE) // 2]),
    "packed: without its end": (f"{TRAIN_IMAGES}.gz", WHOLE[:-4]),
    "packed: another checksum": (f"{TRAIN_IMAGES}.gz", WHOLE[:-8] + bytes(4) + WHOLE[-4:]),
    "packed: a broken block": (f"{TRAIN_IMAGES}.gz", WHOLE[:10] + b"\xff" + WHOLE[11:]),
    "packed: of the wrong size": (f"{TRAIN_IMAGES}.gz", gzip.compress(images_file(20)[:-1])),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named(root: Path, damage: str) -> None:
    name, content = DAMAGED[damage]
    if name.endswith(".gz"):
        pack(root)
    path = replace(root, name, content)
    with pytest.raises(UserError) as error:
        mnist(root=str(root))
    assert str(path) in str(error.value)


def test_a_damaged_test_set_is_named_when_it_is_used(root: Path) -> None:
    path = replace(root, "t10k-images-idx3-ubyte", b"")
    data = InMemory(lambda: mnist(root=str(root)), CPU, None)
    with pytest.raises(UserError) as error:
        data.split("test")
    assert str(path) in str(error.value)


def test_images_and_labels_that_do_not_fit_are_refused(root: Path) -> None:
    replace(root, TRAIN_LABELS, labels_file(19))
    with pytest.raises(UserError, match="train has 20 images but 19 labels") as error:
        mnist(root=str(root))
    assert str(root / "MNIST" / "raw") in str(error.value)


def test_files_without_examples_are_refused(root: Path) -> None:
    replace(root, TRAIN_LABELS, labels_file(0))
    with pytest.raises(UserError, match="train has no examples"):
        mnist(root=str(root))


@pytest.mark.parametrize("load", [mnist, fashion_mnist])
def test_the_real_sets_have_their_sizes(shared_data: Path, load: type) -> None:
    source = load(root=str(shared_data))
    test = source.test()
    assert source.train.inputs.shape == (60_000, 1, 28, 28)
    assert test.inputs.shape == (10_000, 1, 28, 28)
    assert test.targets.bincount().min() > 800
    assert source.train.targets.bincount().min() > 5000
    assert source.train.inputs.max() == 255


def test_the_real_digits_have_their_mean_and_deviation(shared_data: Path) -> None:
    """0.1307 and 0.3081 for all 60,000, of which a tenth is the dev set here."""
    source = mnist(root=str(shared_data))
    data = InMemory(lambda: source, CPU, None)
    assert data.describe()["examples"] == {"train": 54_000, "dev": 6_000}
    assert data.learned.tensors["mean"].tolist() == pytest.approx([0.1307], abs=2e-4)
    assert data.learned.tensors["deviation"].tolist() == pytest.approx([0.3081], abs=2e-4)
    dev = data.split("dev")
    assert dev is not None
    assert dev.inputs.mean().item() == pytest.approx(0, abs=0.01)
    assert (dev.targets.bincount() - source.train.targets.bincount() / 10).abs().max() <= 1
