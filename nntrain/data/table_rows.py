"""Rows of a table one by one, for a trained model: those that cannot be read are named, and the others go on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nntrain.data import encoding
from nntrain.data.columns import READ, CellError, Kind, Numbers, present
from nntrain.data.encoding import Column
from nntrain.data.lines import Fault
from nntrain.data.plain_files import Piece
from nntrain.data.sheet import Row, Sheet
from nntrain.data.table_files import TableFiles
from nntrain.errors import UserError

PIECE = 4096  # rows that are read at a time


@dataclass
class _Reading:
    """The rows of a piece so far: the values of each column, where they come from, and what failed."""

    columns: Sequence[Column]
    values: list[list[Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def take(self, sheet: Sheet, row: Row | Fault, missing: Sequence[str]) -> None:
        if isinstance(row, Fault):
            self.failures.append(str(row))
            return
        try:
            fields = dict(zip(sheet.header, present(row.fields, missing), strict=True))
            self.values.append([_cell(sheet, row, fields, column) for column in self.columns])
        except UserError as error:
            self.failures.append(str(error))
            return
        self.sources.append({"file": sheet.path, "row": row.number})

    def piece(self) -> Piece:
        if not self.values:
            return Piece(None, [], self.failures)
        names = (column.name for column in self.columns)
        by_column = dict(zip(names, zip(*self.values, strict=True), strict=True))
        inputs = encoding.encode(self.columns, lambda name, _: _array(by_column[name]))
        return Piece(inputs, self.sources, self.failures)


def examples_in(files: TableFiles, paths: Sequence[str], columns: Sequence[Column]) -> Iterator[Piece]:
    """The inputs in tables that have these columns, in any order, and maybe others."""
    for path in paths:
        try:
            yield from _pieces(files.open(path), columns, list(files.missing))
        except UserError as error:
            yield Piece(None, [], [str(error)])


def _pieces(sheet: Sheet, columns: Sequence[Column], missing: Sequence[str]) -> Iterator[Piece]:
    lacking = [column.name for column in columns if column.name not in sheet.header]
    if lacking:
        raise UserError(f"{sheet.path} has no column {', '.join(lacking)}, which the model was trained with")
    reading = _Reading(columns)
    try:
        for row in sheet.rows:
            reading.take(sheet, row, missing)
            if len(reading.values) == PIECE:
                yield reading.piece()
                reading = _Reading(columns)
    except UserError as error:  # the file itself, from here on
        reading.failures.append(str(error))
    yield reading.piece()


def _cell(sheet: Sheet, row: Row, fields: dict[str, str], column: Column) -> Any:
    kind: Kind = column.type
    try:
        return READ[kind](fields[column.name], sheet.decimal)
    except CellError as error:
        place = f"{sheet.path}:{row.number}:{sheet.header.index(column.name) + 1}"
        raise UserError(f"{place}: {column.name}: {error}") from None


def _array(values: Sequence[Any]) -> Numbers:
    return np.array(values, dtype=object if isinstance(values[0], str) else np.float64)
