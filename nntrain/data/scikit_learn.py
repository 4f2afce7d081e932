"""The small real data sets that scikit-learn carries: no download."""

from typing import Any

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.specs import Classes, Image, Values, Vector


@data("digits", within=InMemory)
def digits() -> Source:
    """1,797 handwritten digits, images of 8x8 grey values, 10 classes.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
    """
    raw = _load("digits")
    inputs = torch.as_tensor(raw.images, dtype=torch.float32).unsqueeze(1)
    classes = Classes(tuple(str(name) for name in raw.target_names))
    return Source("digits", Image(1, 8, 8), classes, Examples(inputs, torch.as_tensor(raw.target)), scale=1 / 16)


@data("iris", within=InMemory)
def iris() -> Source:
    """150 iris flowers, 4 lengths in cm, 3 species.

    Source: R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936.
    """
    return _table("iris")


@data("wine", within=InMemory)
def wine() -> Source:
    """178 wines, 13 chemical measurements, 3 growers.

    Source: M. Forina et al., Wine recognition data, UCI repository, 1991.
    """
    return _table("wine")


@data("breast_cancer", within=InMemory)
def breast_cancer() -> Source:
    """569 tumours, 30 measurements of cell nuclei, malignant or benign.

    Source: W. N. Street, W. H. Wolberg, O. L. Mangasarian, Nuclear feature extraction for breast tumor
    diagnosis, 1993.
    """
    return _table("breast_cancer")


@data("diabetes", within=InMemory)
def diabetes() -> Source:
    """442 patients, 10 measurements, the progression of diabetes after a year (25 to 346): regression.

    Source: B. Efron et al., Least angle regression, Annals of Statistics, 2004.
    """
    raw = _load("diabetes")
    inputs = torch.as_tensor(raw.data, dtype=torch.float32)
    targets = torch.as_tensor(raw.target, dtype=torch.float32).unsqueeze(1)
    return Source("diabetes", Vector(inputs.shape[1]), Values(("progression",)), Examples(inputs, targets))


def _table(name: str) -> Source:
    """A table of measurements with a class for each row."""
    raw = _load(name)
    inputs = torch.as_tensor(raw.data, dtype=torch.float32)
    classes = Classes(tuple(str(c) for c in raw.target_names))
    return Source(
        name,
        Vector(inputs.shape[1]),
        classes,
        Examples(inputs, torch.as_tensor(raw.target, dtype=torch.int64)),
    )


def _load(name: str) -> Any:
    import sklearn.datasets

    return getattr(sklearn.datasets, f"load_{name}")()
