"""The columns of a table, read whole, and some of its rows."""

import datetime
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from torch import Tensor

from nntrain.data import column_types
from nntrain.data.lines import faultless
from nntrain.data.sheet import Sheet
from nntrain.errors import UserError

Numbers = np.ndarray[Any, Any]
LARGEST = float(np.finfo(np.float32).max)  # what networks compute with
Kind = Literal["number", "boolean", "category", "class", "value", "weight", "time"]  # how a value is read


class CellError(ValueError):
    """A value that is not what its column holds: why."""


@dataclass(frozen=True)
class Columns:
    """All rows of a table by column, as text, '' where there is no value; `rows` are their numbers in the file."""

    path: str
    rows: list[int]
    text: dict[str, list[str]]
    decimal: str
    _read: dict[tuple[str, Kind], Numbers] = field(default_factory=dict)

    @staticmethod
    def of(sheet: Sheet, missing: Collection[str]) -> "Columns":
        """UserError where there are no rows, or one that is not complete."""
        rows = list(faultless(sheet.rows))
        if not rows:
            raise UserError(f"{sheet.path} has a row of names, but no rows of values")
        by_column = zip(*(present(row.fields, missing) for row in rows), strict=True)
        text = {name: list(column) for name, column in zip(sheet.header, by_column, strict=True)}
        return Columns(sheet.path, [row.number for row in rows], text, sheet.decimal)

    def part(self, rows: Sequence[int]) -> "Columns":
        """Some of the rows, counted from 0, as a table of their own: what is wrong with the others does not matter."""
        text = {name: [values[row] for row in rows] for name, values in self.text.items()}
        return Columns(self.path, [self.rows[row] for row in rows], text, self.decimal)

    def values(self, name: str, kind: Kind) -> Numbers:
        """A column's values; UserError with the place of the first that cannot be read."""
        if (name, kind) not in self._read:
            self._read[name, kind] = self._values(name, READ[kind])
        return self._read[name, kind]

    def _values(self, name: str, read: Callable[[str, str], Any]) -> Numbers:
        found = []
        for row, text in enumerate(self.text[name]):
            try:
                found.append(read(text, self.decimal))
            except CellError as error:
                place = f"{self.path}:{self.rows[row]}:{list(self.text).index(name) + 1}"
                raise UserError(f"{place}: {name}: {error}") from None
        return np.array(found, dtype=object if isinstance(found[0], str) else np.float64)


@dataclass(frozen=True)
class Rows:
    """Some rows of a table."""

    columns: Columns
    chosen: Numbers

    @staticmethod
    def all_of(columns: Columns) -> "Rows":
        return Rows(columns, np.arange(len(columns.rows)))

    def __len__(self) -> int:
        return len(self.chosen)

    def take(self, numbers: Tensor) -> "Rows":
        return Rows(self.columns, self.chosen[numbers.numpy()])

    def values(self, name: str, kind: Kind) -> Numbers:
        return self.columns.values(name, kind)[self.chosen]

    def where(self, row: int) -> str:
        """The file and the row."""
        return f"{self.columns.path}:{self.columns.rows[self.chosen[row]]}"


def present(fields: Iterable[str], missing: Collection[str]) -> list[str]:
    """A row's values, '' for those that stand for none."""
    return ["" if field in missing else field for field in fields]


def _number(text: str, decimal: str) -> float:
    if not text:
        return float("nan")
    value = column_types.number(text, decimal)
    if value is None:
        raise CellError(f"'{text}' is not a finite number")
    if abs(value) > LARGEST:
        raise CellError(f"'{text}' is beyond {LARGEST:.1e}, the largest number in single precision; take another unit")
    return value


def _boolean(text: str, decimal: str) -> float:
    value = column_types.boolean(text) if text else float("nan")
    if value is None:
        raise CellError(f"'{text}' is neither true nor false")
    return value


def _category(text: str, decimal: str) -> str:
    return text


def _class(text: str, decimal: str) -> str:
    if not text:
        raise CellError("there is no value; leave the row out")
    return text


def _value(text: str, decimal: str) -> float:
    return _number(_class(text, decimal), decimal)


def _weight(text: str, decimal: str) -> float:
    value = _value(text, decimal)
    if value < 0:
        raise CellError(f"a weight is at least 0, found {text}")
    return value


def _time(text: str, decimal: str) -> float:
    """A number, or seconds from 1970 on."""
    value = column_types.number(text, decimal)
    if value is not None:
        return value
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise CellError(f"'{text}' is neither a number nor a date such as 2021-03-31") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


READ: dict[Kind, Callable[[str, str], Any]] = {
    "number": _number,
    "boolean": _boolean,
    "category": _category,
    "class": _class,
    "value": _value,
    "weight": _weight,
    "time": _time,
}
