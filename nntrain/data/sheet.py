"""A table in a file: names of columns, and rows of text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nntrain.errors import UserError


class Row(NamedTuple):
    """The values of a row, and its number in the file: a text's first line is 1, a Parquet file's first row too."""

    number: int
    fields: list[str]


@dataclass(frozen=True)
class Sheet:
    """A table that was opened. `decimal` is what stands before the decimals of its numbers."""

    path: str
    header: list[str]
    rows: Iterator[Row]
    decimal: Literal[".", ","]

    def complete(self, row: Row) -> Row:
        """The row; UserError where it has more or fewer values than there are columns."""
        if len(row.fields) != len(self.header):
            found = f"{len(row.fields)} value{'s' if len(row.fields) > 1 else ''}"
            raise UserError(f"{self.path}:{row.number}: {found}, but there are {len(self.header)} columns")
        return row
