"""The small real data sets that scikit-learn carries: no download.

Most are read from its files: importing it takes as long as a short run.
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.specs import Classes, Image, Values, Vector


@data("digits", within=InMemory)
def digits() -> Source:
    """1,797 handwritten digits, images of 8x8 grey values, 10 classes.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
    """
    rows = np.loadtxt(_file("digits.csv.gz"), delimiter=",")
    inputs = torch.as_tensor(rows[:, :-1], dtype=torch.float32).view(-1, 1, 8, 8)
    labels = torch.as_tensor(rows[:, -1], dtype=torch.int64)
    return Source("digits", Image(1, 8, 8), Classes(tuple("0123456789")), Examples(inputs, labels), scale=1 / 16)


@data("iris", within=InMemory)
def iris() -> Source:
    """150 iris flowers, 4 lengths in cm, 3 species.

    Source: R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936.
    """
    return _table("iris", "iris.csv")


@data("wine", within=InMemory)
def wine() -> Source:
    """178 wines, 13 chemical measurements, 3 growers.

    Source: M. Forina et al., Wine recognition data, UCI repository, 1991.
    """
    return _table("wine", "wine_data.csv")


@data("breast_cancer", within=InMemory)
def breast_cancer() -> Source:
    """569 tumours, 30 measurements of cell nuclei, malignant or benign.

    Source: W. N. Street, W. H. Wolberg, O. L. Mangasarian, Nuclear feature extraction for breast tumor
    diagnosis, 1993.
    """
    return _table("breast_cancer", "breast_cancer.csv")


@data("diabetes", within=InMemory)
def diabetes() -> Source:
    """442 patients, 10 measurements, the progression of diabetes after a year (25 to 346): regression.

    Source: B. Efron et al., Least angle regression, Annals of Statistics, 2004.
    """
    from sklearn.datasets import load_diabetes  # which scales them

    raw = load_diabetes()
    inputs = torch.as_tensor(raw.data, dtype=torch.float32)
    targets = torch.as_tensor(raw.target, dtype=torch.float32).unsqueeze(1)
    return Source("diabetes", Vector(inputs.shape[1]), Values(("progression",)), Examples(inputs, targets))


def _table(name: str, file: str) -> Source:
    """A table of measurements with a class for each row; its first line has two sizes and the classes' names."""
    path = _file(file)
    with path.open(encoding="utf-8") as lines:
        _, _, *classes = next(lines).strip().split(",")
        rows = np.loadtxt(lines, delimiter=",")
    inputs = torch.as_tensor(rows[:, :-1], dtype=torch.float32)
    labels = torch.as_tensor(rows[:, -1], dtype=torch.int64)
    return Source(name, Vector(inputs.shape[1]), Classes(tuple(classes)), Examples(inputs, labels))


def _file(name: str) -> Path:
    """A file that scikit-learn carries."""
    found = importlib.util.find_spec("sklearn")
    assert found is not None and found.origin is not None  # nntrain requires it
    path = Path(found.origin).parent / "datasets" / "data" / name
    if not path.is_file():
        raise UserError(f"scikit-learn should carry {path}, and does not; install one of versions 1.5 to 1.9")
    return path
