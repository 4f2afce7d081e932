"""Images of digits read as sequences, from top to bottom."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.mnist import mnist
from nntrain.data.scikit_learn import digits
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Series

Reading = Literal["rows", "pixels", "permuted"]


@data("sequential_mnist", within=InMemory)
def sequential_mnist(*, root: PathText | None = None, read: Reading = "rows") -> Source:
    """MNIST's digits as series, 28 rows of 28 grey values or 784 single ones; 10,000 are the official test set.

    Source: Le, Jaitly, Hinton, A simple way to initialize recurrent networks of rectified linear units, 2015,
    arXiv:1504.00941.

    Settings:
        root: the folder that holds MNIST/raw; left out, $NNTRAIN_DATA, else it is downloaded (12 MB)
        read: rows, a row a step; pixels, one pixel a step; permuted, the pixels in one order drawn at random, the
            same for all images; papers differ in it
    """
    return _in_sequence("sequential_mnist", mnist(root=root), read)


@data("sequential_digits", within=InMemory)
def sequential_digits(*, read: Reading = "rows") -> Source:
    """The 1,797 digits of scikit-learn as series, 8 rows of 8 grey values or 64 single ones.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.

    Settings:
        read: rows, a row a step; pixels, one pixel a step; permuted, the pixels in one order drawn at random, the
            same for all images
    """
    return _in_sequence("sequential_digits", digits(), read)


def _in_sequence(name: str, images: Source, read: Reading) -> Source:
    test, steps = images.test, _steps(images.train.inputs[:1], read)
    return replace(
        images,
        name=name,
        inputs=Series(steps.shape[2], steps.shape[1]),
        train=_read(images.train, read),
        test=None if test is None else lambda: _read(test(), read),
    )


def _read(images: Examples, read: Reading) -> Examples:
    return Examples(Sequences(_steps(images.inputs, read)), images.targets)


def _steps(pixels: Tensor, read: Reading) -> Tensor:
    """Images (n, 1, height, width) as (n, time, features)."""
    if read == "rows":
        return pixels.squeeze(1)
    flat = pixels.flatten(1).unsqueeze(2)
    if read == "pixels":
        return flat
    return flat[:, torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(0))]
