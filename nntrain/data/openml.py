"""Tables of OpenML, by their number."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import numpy as np

from nntrain.data import Learned
from nntrain.data.column_types import ColumnType
from nntrain.data.encoding import Imputation
from nntrain.data.own_files import FromFiles
from nntrain.data.plain_files import Piece
from nntrain.data.public_files import SECONDS, found_or_made
from nntrain.data.scikit_learn_downloads import fetcher, patience
from nntrain.data.table import Table
from nntrain.data.undivided import Undivided
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import Count, PathText

QUALITIES = "https://www.openml.org/api/v1/json/data/qualities"
TABLE, ABOUT = "table.csv", "about.json"


@data("openml", within=FromFiles)
class OpenML:
    """A table of openml.org, downloaded once, and then as one of your own (see `table`).

    Source: Vanschoren, van Rijn, Bischl, Torgo, OpenML: networked science in machine learning, 2013.

    Settings:
        id: the number of the data set, as in openml.org/d/61
        target: the column to predict, or several of numbers; left out, the one that OpenML names
        columns: what columns hold, by name: number, boolean, category; ignore leaves one out
        group: a column, no input: rows with the same value in it stay together
        impute: the number that stands for a missing one
        flag_missing: whether a flag says where a number is missing, for columns that miss some in training
        root: the folder that holds openml; left out, $NNTRAIN_DATA, else it is downloaded (its size is said before)
    """

    def __init__(
        self,
        *,
        id: Count,
        target: str | list[str] | None = None,
        columns: dict[str, ColumnType] = {},  # noqa: B006
        group: str | None = None,
        impute: Imputation = "mean",
        flag_missing: bool = False,
        root: PathText | None = None,
    ) -> None:
        self._id = id
        self._target = target
        self._columns = columns
        self._root = root
        self._settings: dict[str, Any] = {"group": group, "impute": impute, "flag_missing": flag_missing}

    def read(self, stored: Learned | None) -> Undivided:
        name, folder = f"openml {self._id}", f"openml/{self._id}"
        size, download = partial(_size, self._id), partial(_download, self._id)
        whole = found_or_made(name, folder, (TABLE, ABOUT), size, download, self._root)
        about = json.loads((whole / ABOUT).read_text(encoding="utf-8"))
        if not about["target"] and self._target is None:
            raise UnfitError(f"{name} names no column to predict; name one", "target")
        return self._table(whole / TABLE, about).read(stored)

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        return self._table(Path(), learned.facts["table"]).given(paths, learned)

    def _table(self, path: Path, known: Mapping[str, Any]) -> Table:
        """The table with its target and types as they are known, but for what the user says."""
        target = known["target"] if self._target is None else self._target
        columns = {**known["columns"], **self._columns}
        return Table(
            path=str(path), target=target, columns=columns, missing=[], separator=",", decimal=".", **self._settings
        )


def _size(number: int) -> str:
    """How large a set is, in words."""
    with urlopen(f"{QUALITIES}/{number}", timeout=SECONDS) as answer:
        listed = json.load(answer)["data_qualities"]["quality"]
    known = {quality["name"]: quality["value"] for quality in listed}
    rows, columns = (float(known[name]) for name in ("NumberOfInstances", "NumberOfFeatures"))
    return f"{rows:,.0f} rows of {columns:,.0f} columns"


def _download(number: int, folder: Path) -> None:
    """Writes a set as a table, and the names and types of its columns."""
    with TemporaryDirectory() as home, patience():
        try:
            found = fetcher("openml")(data_id=number, as_frame=False, parser="liac-arff", data_home=home, n_retries=1)
        except ValueError as error:
            raise UserError(f"openml {number}: {' '.join(str(error).split())}") from None
    targets = found.target_names or []
    names = [*found.feature_names, *targets]
    types = {name: "category" if name in (found.categories or {}) else "number" for name in found.feature_names}
    labels = np.empty((len(found.data), 0)) if found.target is None else found.target.reshape(len(found.data), -1)
    types |= dict.fromkeys(targets, "number" if labels.dtype.kind == "f" else "category")
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([*row, *map(_text, label)] for row, label in zip(_rows(found), labels, strict=True))
    (folder / ABOUT).write_text(json.dumps({"target": targets, "columns": types}), encoding="utf-8")


def _rows(found: Any) -> Iterator[list[str]]:
    """The inputs as text, categories by their names."""
    values = found.data.toarray() if hasattr(found.data, "toarray") else found.data
    categories = [(found.categories or {}).get(name) for name in found.feature_names]
    for row in values.tolist():
        pairs = zip(row, categories, strict=True)
        yield [_text(value if names is None or math.isnan(value) else names[int(value)]) for value, names in pairs]


def _text(value: Any) -> str:
    """A value as a table says it, nothing for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
