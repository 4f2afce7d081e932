"""Tables as text: values between commas, semicolons, tabs or bars, read strictly, every mistake with its row."""

import contextlib
import csv
import io
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from nntrain.data.sheet import Row, Sheet
from nntrain.errors import UserError

Separator = Literal["auto", ",", ";", "tab", "|"]
Decimal = Literal["auto", ".", ","]
Mark = Literal[".", ","]
SEPARATORS = (",", ";", "\t", "|")
SAMPLED = 100  # rows that the separator is told by
STANDARD_INPUT = "-"
WITH_COMMA = re.compile(r"[+-]?\d+,\d+")
THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
WITH_POINT = re.compile(r"[+-]?\d+\.\d+")


def open_text(path: str, separator: Separator = "auto", decimal: Decimal = "auto") -> Sheet:
    """A table whose first row names its columns; rows are read as they are asked for."""
    rows, mark = open_rows(path, separator, decimal)
    first = next(rows, None)
    if first is None:
        raise UserError(f"{path} is empty; expected a row with the columns' names, and rows of values")
    return Sheet(path, _names(path, first.fields), rows, mark)


def open_rows(path: str, separator: Separator = "auto", decimal: Decimal = "auto") -> tuple[Iterator[Row], Mark]:
    """All rows, the first as any other, as they are asked for; and what stands before decimals."""
    text = _text(path)
    by = _separator(text) if separator == "auto" else separator.replace("tab", "\t")
    quote = "'" if text.startswith("'") else '"'
    mark = _decimal(path, _sample(text, by, quote)) if decimal == "auto" else decimal
    return _rows(path, text, by, quote), mark


def _text(path: str) -> str:
    """The content, in UTF-8."""
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise UserError(f"{path}:{line}: not a text in UTF-8 (byte {byte:#x}); save the table in UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{path}:{line}: there is a zero byte: no table as text; save it in UTF-8")
    return text


def _rows(path: str, text: str, separator: str, quote: str) -> Iterator[Row]:
    """The rows that are not blank, each with the line that it begins in; UserError where quotes are wrong."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote, strict=True)
    line = 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield Row(line, [field.strip() for field in fields])
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{line}: not a row of a table: {error}; are its quotes closed?") from None


def _names(path: str, fields: list[str]) -> list[str]:
    """The columns' names; one without, such as pandas' row numbers, is called by its place."""
    names = [name or f"column {i}" for i, name in enumerate(fields, start=1)]
    for i, name in enumerate(names):
        if name in names[:i]:
            first = names.index(name) + 1
            raise UserError(f"{path}:1:{i + 1}: column {first} is called '{name}' as well; rename one of them")
    return names


def _separator(text: str) -> str:
    """What stands between as many values in each of the first rows as there are names, the most if several do."""
    return max(SEPARATORS, key=lambda separator: _agreement(_sample(text, separator)))


def _agreement(rows: list[list[str]]) -> tuple[float, int]:
    """The share of the rows that are as long as the first, and this length; nothing where it is 1."""
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows) / len(rows), width) if width > 1 else (0.0, 0)


def _sample(text: str, separator: str, quote: str = '"') -> list[list[str]]:
    """The first rows, as far as they can be read."""
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quotechar=quote, strict=True)
    with contextlib.suppress(csv.Error):
        rows.extend(row for row in islice(reader, SAMPLED) if row)
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
