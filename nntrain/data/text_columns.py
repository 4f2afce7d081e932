"""Rows of columns in text files, such as CSV and TSV, where what is wrong with a row does not stop the others."""

import csv
import sys
from collections.abc import Iterator
from typing import Any

from nntrain.data.delimited import Separator
from nntrain.data.lines import Fault, Line, Place, lines

Row = tuple[Place, list[str]]


def rows(path: str, separator: Separator = "auto") -> Iterator[Row | Fault]:
    """The rows of a file, a row of several lines by its first; with separator auto .tsv has tabs, others commas.

    Between tabs quotes are signs like others; elsewhere they keep separators and line breaks within a column.
    """
    readable = _Readable(lines(path))
    reader = _reader(path, readable, separator)
    before = 0
    while True:
        try:
            row = next(reader)
            found: Row | Fault | None = (Place(path, before + 1), row) if row else None
        except csv.Error as error:
            found = Fault(Place(path, before + 1), f"not a row of columns: {error}")
        except StopIteration:
            yield from readable.faults
            return
        yield from readable.new_faults()
        if found is not None:
            yield found
        before = reader.line_num


def _reader(path: str, readable: Iterator[str], separator: Separator) -> Any:
    csv.field_size_limit(sys.maxsize)  # a text may be longer than the usual limit
    if separator == "auto":
        separator = "tab" if path.removesuffix(".gz").lower().endswith(".tsv") else ","
    if separator == "tab":
        return csv.reader(readable, delimiter="\t", quoting=csv.QUOTE_NONE)
    return csv.reader(readable, delimiter=separator, strict=True)


class _Readable:
    """Lines with their ends; in the place of one that cannot be read an empty one, and the reason in `faults`."""

    def __init__(self, read: Iterator[Line | Fault]) -> None:
        self._read = read
        self.faults: list[Fault] = []

    def __iter__(self) -> "_Readable":
        return self

    def __next__(self) -> str:
        line = next(self._read)
        if isinstance(line, Fault):
            self.faults.append(line)
            return "\n"
        return line[1] + "\n"

    def new_faults(self) -> list[Fault]:
        """Those since the last time."""
        found, self.faults = self.faults, []
        return found
