"""Files of rows whose columns are separated by a sign: CSV and TSV."""

import csv
import sys
from collections.abc import Iterator
from typing import Literal

from nntrain.data.lines import Fault, Place, lines

Separator = Literal["auto", "comma", "semicolon", "tab"]
SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t"}
Row = tuple[Place, list[str]]


def rows(path: str, separator: Separator = "auto") -> Iterator[Row | Fault]:
    """The rows of a file, a row of several lines by its first; with separator auto .tsv has tabs, others commas.

    Quotes are signs like others between tabs; otherwise they keep separators and line breaks within a column.
    """
    is_tab = separator == "tab" or (separator == "auto" and path.removesuffix(".gz").lower().endswith(".tsv"))
    sign = "\t" if is_tab else SIGNS.get(separator, ",")
    faults: list[Fault] = []

    def readable() -> Iterator[str]:
        for line in lines(path):
            if isinstance(line, Fault):
                faults.append(line)
            yield "" if isinstance(line, Fault) else line[1] + "\n"

    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(
        readable(), delimiter=sign, quoting=csv.QUOTE_NONE if is_tab else csv.QUOTE_MINIMAL, strict=True
    )
    before = 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield Fault(Place(path, before + 1), f"not a row of columns: {error}")
            before = reader.line_num
            continue
        yield from faults
        faults.clear()
        if row is None:
            return
        if row:
            yield Place(path, before + 1), row
        before = reader.line_num
