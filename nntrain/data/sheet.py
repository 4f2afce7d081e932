"""A table in a file: names of columns, and rows of text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nntrain.data.lines import Fault


class Row(NamedTuple):
    """The values of a row, and its number in the file: a text's first line is 1, a Parquet file's first row too."""

    number: int
    fields: list[str]


@dataclass(frozen=True)
class Sheet:
    """A table that was opened, its rows to be read as they are asked for, each with a value for each column.

    `decimal` is what stands before the decimals of its numbers.
    """

    path: str
    header: list[str]
    rows: Iterator[Row | Fault]
    decimal: Literal[".", ","]
