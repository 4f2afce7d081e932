"""Columns of a table as numbers and flags, by what was learned of the training set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nntrain.data.columns import Kind, Numbers
from nntrain.errors import UserError
from nntrain.specs import Vector

InputType = Literal["number", "boolean", "category"]
Imputation = Literal["mean", "median", "most_frequent"]


@dataclass(frozen=True)
class Column:
    """A column of inputs. A missing number is taken to be `fill`; a flag says so where it is `flagged`.

    A category has a flag for each of its values; one that is missing, or not known, has none.
    """

    name: str
    type: InputType
    fill: float = 0.0
    flagged: bool = False
    categories: tuple[str, ...] = ()

    @property
    def flags(self) -> int:
        return len(self.categories) if self.type == "category" else int(self.flagged)

    def encode(self, values: Numbers) -> tuple[Numbers, Numbers]:
        """The numbers (n, 0 or 1) and the flags (n, flags) of values as they were read."""
        if self.type == "category":
            place = {category: i for i, category in enumerate(self.categories)}
            codes = np.array([place.get(value, -1) for value in values])
            return np.empty((len(values), 0)), (codes[:, None] == np.arange(self.flags)).astype(np.float64)
        is_missing = np.isnan(values)
        flags = is_missing[:, None].astype(np.float64) if self.flagged else np.empty((len(values), 0))
        return np.where(is_missing, self.fill, values)[:, None], flags


def learned(name: str, kind: InputType, values: Numbers, impute: Imputation, flag_missing: bool) -> Column:
    """The column by its values in the training set; UserError where there are none."""
    there = values[values != ""] if kind == "category" else values[~np.isnan(values)]
    if len(there) == 0:
        raise UserError(f"{name} has no value in the training set; data.columns={{{name}: ignore}} leaves it out")
    if kind == "category":
        return Column(name, kind, categories=tuple(np.unique(there).tolist()))
    return Column(name, kind, float(FILLS[impute](there)), flag_missing and len(there) < len(values))


def encode(columns: Sequence[Column], read: Callable[[str, Kind], Numbers]) -> Tensor:
    """The inputs (n, features), float64: the numbers of all columns, and after them their flags."""
    parts = [column.encode(read(column.name, column.type)) for column in columns]
    return torch.from_numpy(np.concatenate([numbers for numbers, _ in parts] + [flags for _, flags in parts], axis=1))


def inputs(columns: Sequence[Column]) -> Vector:
    groups = tuple(column.flags for column in columns if column.flags)
    return Vector(sum(column.type != "category" for column in columns) + sum(groups), groups)


def names(columns: Sequence[Column]) -> list[str]:
    """What the features of `encode` are called."""
    numbers = [column.name for column in columns if column.type != "category"]
    flags = [f"{column.name}={category}" for column in columns for category in column.categories or _missing(column)]
    return [*numbers, *flags]


def _missing(column: Column) -> tuple[str, ...]:
    return ("missing",) if column.flagged else ()


def missing(values: Numbers) -> int:
    """How many of a column's values are none."""
    return int(np.sum(values == "") if values.dtype == object else np.isnan(values).sum())


def to_json(columns: Sequence[Column]) -> list[dict[str, Any]]:
    return [asdict(column) for column in columns]


def from_json(found: Sequence[Mapping[str, Any]]) -> list[Column]:
    return [Column(**{**fields, "categories": tuple(fields["categories"])}) for fields in found]


def _most_frequent(values: Numbers) -> Any:
    """The smallest where there are several."""
    different, counts = np.unique(values, return_counts=True)
    return different[counts.argmax()]


FILLS: dict[Imputation, Callable[[Numbers], Any]] = {
    "mean": np.mean,
    "median": np.median,
    "most_frequent": _most_frequent,
}
