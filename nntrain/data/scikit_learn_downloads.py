"""Larger tables that scikit-learn downloads; they are kept in a form of our own, without pickles."""

import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.public_files import SECONDS, found_or_made
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Values, Vector

FILE = "table.safetensors"
PINES = ("lodgepole pine", "ponderosa pine")
COVERS = ("spruce or fir", *PINES, "cottonwood or willow", "aspen", "douglas fir", "krummholz")


@data("california_housing", within=InMemory)
def california_housing(*, root: PathText | None = None) -> Source:
    """20,640 districts of California, 8 numbers on place, houses and incomes, the median price of a house in 100,000 $.

    Source: Pace, Barry, Sparse spatial autoregressions, Statistics and Probability Letters, 1997.

    Settings:
        root: the folder that holds california_housing; left out, $NNTRAIN_DATA, else it is downloaded (0.4 MB)
    """
    table = _table("california_housing", "0.4 MB", root, torch.float64)
    targets = table["target"].unsqueeze(1)
    return Source("california_housing", Vector(8), Values(("price",)), Examples(table["data"], targets))


@data("covtype", within=InMemory)
def covtype(*, root: PathText | None = None) -> Source:
    """581,012 places in forests, 10 numbers, flags for 4 areas and 40 soils, the kind of trees that cover it.

    Source: Blackard, Dean, Comparative accuracies of artificial neural networks and discriminant analysis in
    predicting forest cover types from cartographic variables, 1999.

    Settings:
        root: the folder that holds covtype; left out, $NNTRAIN_DATA, else it is downloaded (11 MB)
    """
    table = _table("covtype", "11 MB", root, torch.int16)
    return Source("covtype", Vector(54, (4, 40)), Classes(COVERS), Examples(table["data"], table["target"].long() - 1))


def _table(name: str, size: str, root: str | None, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors `data` and `target`, from where they lie already, else downloaded."""
    path = found_or_made(name, name, (FILE,), lambda: size, partial(_fetch, name, dtype), root) / FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not read: {error}; remove it, and it is fetched again") from None


def _fetch(name: str, dtype: torch.dtype, folder: Path) -> None:
    """Downloads a set, checked by its checksum, and writes it to a folder."""
    with TemporaryDirectory() as home, patience():
        found = fetcher(name)(data_home=home, n_retries=1)
    save_file({"data": torch.as_tensor(found.data).to(dtype), "target": torch.as_tensor(found.target)}, folder / FILE)


def fetcher(name: str) -> Callable[..., Any]:
    """scikit-learn's function that downloads a set."""
    import sklearn.datasets

    return getattr(sklearn.datasets, f"fetch_{name}")


@contextmanager
def patience() -> Iterator[None]:
    """Within it, whoever does not answer for a minute is given up, and scikit-learn's warnings are not shown."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        socket.setdefaulttimeout(before)
