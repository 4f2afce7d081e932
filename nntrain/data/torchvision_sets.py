"""Image sets that torchvision knows how to find, check and download."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.places import roots
from nntrain.data.public_files import downloaded
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Image

DIGITS = tuple(map(str, range(10)))
Made = Callable[[Path, bool, bool], Any]  # folder, whether for training, whether to download -> torchvision's set


@data("cifar10", within=InMemory)
def cifar10(*, root: PathText | None = None) -> Source:
    """60,000 photographs of 32x32 pixels, 10 classes; 10,000 are the official test set.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.

    Settings:
        root: the folder that holds cifar-10-batches-py; left out, $NNTRAIN_DATA, else it is downloaded (170 MB)
    """
    return _source("cifar10", "170 MB", Image(3, 32, 32), root, "", _by_train_flag("CIFAR10"))


@data("cifar100", within=InMemory)
def cifar100(*, root: PathText | None = None) -> Source:
    """60,000 photographs of 32x32 pixels, 100 classes; 10,000 are the official test set.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009.

    Settings:
        root: the folder that holds cifar-100-python; left out, $NNTRAIN_DATA, else it is downloaded (169 MB)
    """
    return _source("cifar100", "169 MB", Image(3, 32, 32), root, "", _by_train_flag("CIFAR100"))


@data("usps", within=InMemory)
def usps(*, root: PathText | None = None) -> Source:
    """9,298 handwritten digits from envelopes, 16x16 grey values; 2,007 are the official test set.

    Source: J. J. Hull, A database for handwritten text recognition research, 1994.

    Settings:
        root: the folder that holds USPS/usps.bz2; left out, $NNTRAIN_DATA, else it is downloaded (8 MB)
    """
    return _source("usps", "8 MB", Image(1, 16, 16), root, "USPS", _by_train_flag("USPS"))


@data("svhn", within=InMemory)
def svhn(*, root: PathText | None = None) -> Source:
    """99,289 house numbers' digits, photographs of 32x32 pixels, 10 classes; 26,032 are the official test set.

    Source: Y. Netzer et al., Reading digits in natural images with unsupervised feature learning, 2011.

    Settings:
        root: the folder that holds SVHN/train_32x32.mat; left out, $NNTRAIN_DATA, else it is downloaded (246 MB)
    """
    return _source("svhn", "246 MB", Image(3, 32, 32), root, "SVHN", _by_split("SVHN", "train"))


@data("stl10", within=InMemory)
def stl10(*, root: PathText | None = None) -> Source:
    """13,000 photographs of 96x96 pixels, 10 classes; 8,000 are the official test set.

    Source: A. Coates, H. Lee, A. Y. Ng, An analysis of single-layer networks in unsupervised feature learning, 2011.

    Settings:
        root: the folder that holds stl10_binary; left out, $NNTRAIN_DATA, else it is downloaded (2.6 GB)
    """
    return _source("stl10", "2.6 GB", Image(3, 96, 96), root, "", _by_split("STL10", "train"))


def found_by_torchvision(name: str, size: str, root: str | None, folder: str, made: Made) -> Path:
    """The folder that a set lies in, downloaded where it is nowhere."""
    for place in roots(root):
        try:
            made(place / folder, True, False)
            made(place / folder, False, False)
        except (RuntimeError, OSError):
            continue
        return place / folder
    if root is not None:
        raise UnfitError(f"{root} holds no whole {name}", "root")
    return downloaded(name, folder, lambda: size, partial(_fetch, made))


def _fetch(made: Made, folder: Path) -> None:
    for is_training in (True, False):
        made(folder, is_training, True)


def _source(name: str, size: str, inputs: Image, root: str | None, folder: str, made: Made) -> Source:
    place = found_by_torchvision(name, size, root, folder, made)
    train = made(place, True, False)
    names = tuple(map(str, getattr(train, "classes", ()))) or DIGITS
    return Source(
        name,
        inputs,
        Classes(names),
        _examples(train, inputs),
        lambda: _examples(made(place, False, False), inputs),
        scale=1 / 255,
    )


def _by_train_flag(cls: str) -> Made:
    """Of the sets that are told by `train` what is asked for."""

    def made(folder: Path, is_training: bool, download: bool) -> Any:
        import torchvision.datasets

        return getattr(torchvision.datasets, cls)(folder, train=is_training, download=download)

    return made


def _by_split(cls: str, training: str) -> Made:
    """Of the sets that are told by `split` what is asked for."""

    def made(folder: Path, is_training: bool, download: bool) -> Any:
        import torchvision.datasets

        split = training if is_training else "test"
        return getattr(torchvision.datasets, cls)(folder, split=split, download=download)

    return made


def _examples(loaded: Any, inputs: Image) -> Examples:
    """A torchvision set's images, channels first, and labels."""
    labels = loaded.targets if hasattr(loaded, "targets") else loaded.labels
    return Examples(_channels_first(np.asarray(loaded.data), inputs), torch.as_tensor(np.asarray(labels)).long())


def _channels_first(pixels: np.ndarray[Any, Any], inputs: Image) -> Tensor:
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.shape[1] != inputs.channels:
        pixels = pixels.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(pixels))
