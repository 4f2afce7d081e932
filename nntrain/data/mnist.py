"""The MNIST family: images of 28x28 grey values in IDX files."""

import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.packed import unpacked
from nntrain.data.places import roots
from nntrain.data.public_files import downloaded
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Image

_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

_KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_DIGITS = tuple("0123456789")
_MERGED = (*_DIGITS, *ascii_uppercase, *"abdefghnqrt")
EmnistPart = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]
_EMNIST: dict[EmnistPart, tuple[str, ...]] = {
    "byclass": (*_DIGITS, *ascii_uppercase, *ascii_lowercase),
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": tuple(ascii_lowercase),
    "digits": _DIGITS,
    "mnist": _DIGITS,
}


@data("mnist", within=InMemory)
def mnist(*, root: PathText | None = None) -> Source:
    """70,000 handwritten digits, images of 28x28 grey values, 10 classes; 10,000 are the official test set.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998.

    Settings:
        root: the folder that holds MNIST/raw; left out, $NNTRAIN_DATA, else it is downloaded (12 MB)
    """
    return _source("mnist", "MNIST", "12 MB", tuple(map(str, range(10))), root)


@data("fashion_mnist", within=InMemory)
def fashion_mnist(*, root: PathText | None = None) -> Source:
    """70,000 pictures of clothes, 28x28 grey values, 10 classes; 10,000 are the official test set.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017, arXiv:1708.07747.

    Settings:
        root: the folder that holds FashionMNIST/raw; left out, $NNTRAIN_DATA, else it is downloaded (31 MB)
    """
    return _source("fashion_mnist", "FashionMNIST", "31 MB", _FASHION, root)


@data("kmnist", within=InMemory)
def kmnist(*, root: PathText | None = None) -> Source:
    """70,000 Japanese characters by hand, images of 28x28 grey values, 10 classes; 10,000 are the official test set.

    Source: T. Clanuwat et al., Deep learning for classical Japanese literature, 2018, arXiv:1812.01718.

    Settings:
        root: the folder that holds KMNIST/raw; left out, $NNTRAIN_DATA, else it is downloaded (21 MB)
    """
    return _source("kmnist", "KMNIST", "21 MB", _KUZUSHIJI, root)


@data("emnist", within=InMemory)
def emnist(*, root: PathText | None = None, part: EmnistPart = "balanced") -> Source:
    """Handwritten digits and letters, images of 28x28 grey values, upright, with official test sets.

    Source: G. Cohen et al., EMNIST, an extension of MNIST to handwritten letters, 2017, arXiv:1702.05373.

    Settings:
        root: the folder that holds EMNIST/raw; left out, $NNTRAIN_DATA, else it is downloaded (562 MB)
        part: byclass (814,255 images, 62 classes), bymerge (47 classes), balanced (131,600 images, 47 classes),
            letters (145,600, 26), digits (280,000, 10) or mnist (70,000, 10)
    """
    first = 1 if part == "letters" else 0  # what the labels count from
    files = (f"emnist-{part}-train", f"emnist-{part}-test")
    source = _source("emnist", "EMNIST", "562 MB", _EMNIST[part], root, files, (part,), first)
    test = source.test
    assert test is not None
    return replace(source, train=_upright(source.train, first), test=lambda: _upright(test(), first))


def _upright(examples: Examples, first: int) -> Examples:
    """EMNIST's images lie on their side, mirrored."""
    return Examples(examples.inputs.transpose(2, 3).contiguous(), examples.targets - first)


def _source(
    name: str,
    folder: str,
    size: str,
    classes: tuple[str, ...],
    root: str | None,
    files: tuple[str, str] = ("train", "t10k"),
    settings: tuple[str, ...] = (),
    first: int = 0,
) -> Source:
    """A set in IDX files whose names begin with those of `files`, and whose labels count from `first`.

    `settings` are what torchvision wants to know beside the folder.
    """
    train, test = files
    raw = _find(name, folder, size, root, files, settings)
    most = first + len(classes) - 1
    return Source(
        name,
        Image(1, 28, 28),
        Classes(classes),
        _examples(raw, train, most),
        lambda: _examples(raw, test, most),
        scale=1 / 255,
    )


def _find(
    name: str, folder: str, size: str, root: str | None, parts: tuple[str, str], settings: tuple[str, ...]
) -> Path:
    """The folder with the raw files: where it is already, else where torchvision downloads it to."""
    for place in roots(root):
        raw = place / folder / "raw"
        if all(_file(raw, f"{part}-{what}") for part in parts for what in _KINDS):
            return raw
    if root is not None:
        raise UnfitError(f"{root} holds no {folder}/raw with the files of {name}", "root")
    return downloaded(name, "", lambda: size, partial(_fetch, folder, settings)) / folder / "raw"


def _fetch(folder: str, settings: tuple[str, ...], target: Path) -> None:
    import torchvision.datasets

    getattr(torchvision.datasets, folder)(target, *settings, download=True)


_KINDS = {"images-idx3-ubyte": 16, "labels-idx1-ubyte": 8}  # name of a file's kind -> bytes of its header


def _file(raw: Path, stem: str) -> Path | None:
    return next((raw / name for name in (stem, f"{stem}.gz") if (raw / name).is_file()), None)


def _examples(raw: Path, part: str, most: int) -> Examples:
    pixels, labels = (_read(raw, f"{part}-{kind}", header) for kind, header in _KINDS.items())
    if len(labels) == 0:
        raise UserError(f"{raw}: {part} has no examples; fetch it again")
    if len(pixels) != 784 * len(labels):
        raise UserError(f"{raw}: {part} has {len(pixels) / 784:g} images but {len(labels)} labels")
    wrong = (labels > most).nonzero().flatten().tolist()
    if wrong:
        labels_file, label = _file(raw, f"{part}-labels-idx1-ubyte"), int(labels[wrong[0]])
        raise UserError(f"{labels_file}: label number {wrong[0] + 1} is {label}, no class from 0 to {most}")
    return Examples(pixels.view(-1, 1, 28, 28), labels.long())


def _read(raw: Path, stem: str, header: int) -> Tensor:
    """The bytes after an IDX file's header (LeCun's format: magic number, sizes, then unsigned bytes)."""
    path = _file(raw, stem)
    assert path is not None
    try:
        content = unpacked(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole file ({error}); remove it and fetch it again") from None
    sizes = np.frombuffer(content[4:header].ljust(header - 4, b"\0"), dtype=">i4")
    if int(sizes.prod()) != len(content) - header:
        raise UserError(f"{path}: its header does not fit its size; remove it and fetch it again")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=header).copy())
