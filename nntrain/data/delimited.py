"""Tables as text: values between commas, semicolons, tabs or bars; each mistake with its row, the others go on."""

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Literal

from nntrain.data.lines import Fault, Line, Place, faultless, lines
from nntrain.data.sheet import Row, Sheet
from nntrain.errors import UserError

Separator = Literal["auto", ",", ";", "tab", "|"]
Decimal = Literal["auto", ".", ","]
Mark = Literal[".", ","]
SEPARATORS = (",", ";", "\t", "|")
LONGEST = 1_000_000  # letters of a value: longer than any text, and a quote that is never closed is found
MOST_COLUMNS = 10_000
SAMPLED = 100  # lines that separator and decimal mark are told by
WITH_COMMA = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
WITH_POINT = re.compile(r"[+-]?\d+\.\d+")


def open_text(
    path: str,
    separator: Separator = "auto",
    decimal: Decimal = "auto",
    *,
    named: bool = True,
    plain_tabs: bool = False,
) -> Sheet:
    """A table whose first row names its columns; else they are called by their numbers, from 0 on."""
    rows, mark = open_rows(path, separator, decimal, plain_tabs=plain_tabs)
    first = next(faultless(rows), None)
    if first is None:
        names = "a row with the columns' names, and " if named else ""
        raise UserError(f"{path} is empty; expected {names}rows of values")
    if len(first.fields) > MOST_COLUMNS:
        raise UserError(f"{path} has {len(first.fields):,} columns; a table has at most {MOST_COLUMNS:,}")
    if named:
        return Sheet(path, _names(path, first), _complete(path, len(first.fields), rows), mark)
    numbers = list(map(str, range(len(first.fields))))
    return Sheet(path, numbers, _complete(path, len(numbers), chain([first], rows)), mark)


def open_rows(
    path: str, separator: Separator = "auto", decimal: Decimal = "auto", *, plain_tabs: bool = False
) -> tuple[Iterator[Row | Fault], Mark]:
    """All rows, the first as any other, read as they are asked for; and what stands before decimals.

    Quotes keep separators and line breaks within a value; with `plain_tabs` not between tabs, where they are signs
    like others.
    """
    read = lines(path)
    head = list(islice(read, SAMPLED))
    sample = [line[1] + "\n" for line in head if not isinstance(line, Fault)]
    forms = [_form(sample, by, plain_tabs) for by in _possible(path, separator)]
    form = max(forms, key=lambda form: _agreement(_sample(sample, form)))
    mark = _decimal(path, _sample(sample, form)) if decimal == "auto" else decimal
    return _rows(path, chain(head, read), form), mark


def _possible(path: str, separator: Separator) -> Sequence[str]:
    """What may stand between values, the most likely first where nothing else tells."""
    if separator != "auto":
        return (separator.replace("tab", "\t"),)
    return sorted(SEPARATORS, key=lambda by: by != "\t") if ".tsv" in path.lower() else SEPARATORS


def _form(sample: Sequence[str], separator: str, plain_tabs: bool) -> dict[str, Any]:
    """What csv is to be told; a file whose first value stands between single quotes has these."""
    if separator == "\t" and plain_tabs:
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE}
    is_single = bool(sample) and re.match(rf"'[^']*'\s*({re.escape(separator)}|$)", sample[0]) is not None
    return {"delimiter": separator, "quotechar": "'" if is_single else '"', "strict": True}


def _rows(path: str, read: Iterator[Line | Fault], form: dict[str, Any]) -> Iterator[Row | Fault]:
    """The rows that are not blank, each with the line that it begins in."""
    csv.field_size_limit(LONGEST)
    readable = _Readable(path, read)
    reader = csv.reader(readable, **form)
    fields: list[str] | None = []
    while fields is not None:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield Fault(Place(path, line), f"not a row of a table: {error}; are its quotes closed?")
            fields = []
        yield from readable.new_faults()
        if fields and any(field.strip() for field in fields):
            yield Row(line, [field.strip() for field in fields])


class _Readable:
    """Lines with their ends; in the place of one that cannot be read an empty one, and the reason is kept."""

    def __init__(self, path: str, read: Iterator[Line | Fault]) -> None:
        self._path = path
        self._read = read
        self._faults: list[Fault] = []

    def __iter__(self) -> "_Readable":
        return self

    def __next__(self) -> str:
        line = next(self._read)
        if not isinstance(line, Fault) and "\0" in line[1]:
            line = Fault(line[0], "there is a zero byte: no table as text; save it in UTF-8")
        if isinstance(line, Fault):
            self._faults.append(line)
            return "\n"
        return line[1] + "\n"

    def new_faults(self) -> list[Fault]:
        """Those since the last time."""
        found, self._faults = self._faults, []
        return found


def _complete(path: str, columns: int, rows: Iterator[Row | Fault]) -> Iterator[Row | Fault]:
    """The rows, but a fault for each that has more or fewer values than there are columns."""
    for row in rows:
        if isinstance(row, Row) and len(row.fields) != columns:
            found = f"{len(row.fields)} value{'s' if len(row.fields) > 1 else ''}"
            there = f"there {'are' if columns > 1 else 'is'} {columns} column{'s' if columns > 1 else ''}"
            yield Fault(Place(path, row.number), f"{found}, but {there}")
        else:
            yield row


def _names(path: str, first: Row) -> list[str]:
    """The columns' names; one without, such as pandas' row numbers, is called by its place."""
    names = [name or f"column {i}" for i, name in enumerate(first.fields, start=1)]
    for i, name in enumerate(names):
        if name in names[:i]:
            before = names.index(name) + 1
            place = f"{path}:{first.number}:{i + 1}"
            raise UserError(f"{place}: column {before} is called '{name}' as well; rename one of them")
    return names


def _agreement(rows: list[list[str]]) -> tuple[float, int]:
    """How well a separator fits: the share of rows as long as the first, and this length; nothing where it is 1."""
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows) / len(rows), width) if width > 1 else (0.0, 0)


def _sample(sample: Sequence[str], form: dict[str, Any]) -> list[list[str]]:
    """The first rows, as far as they can be read."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(row for row in csv.reader(sample, **form) if row)
    return rows


def _decimal(path: str, rows: list[list[str]]) -> Mark:
    """The decimal mark that the first rows' numbers have."""
    values = [value.strip() for row in rows for value in row]
    commas = [value for value in values if WITH_COMMA.fullmatch(value)]
    if not commas or any(WITH_POINT.fullmatch(value) for value in values):
        return "."
    if all(THOUSANDS.fullmatch(value) for value in commas):
        raise UserError(
            f"{path}: '{commas[0]}' may be a thousand or have decimals; say which: data.decimal=',' or data.decimal='.'"
        )
    return ","
