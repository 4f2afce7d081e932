"""Tables of numbers, with or without a first row of names: the inputs of models that take vectors."""

from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from nntrain.data.column_types import number
from nntrain.data.delimited import open_rows
from nntrain.data.lines import Fault
from nntrain.data.plain_files import Piece
from nntrain.data.sheet import Row
from nntrain.errors import UserError
from nntrain.specs import Vector

PIECE = 4096  # rows that are read at a time


def read(inputs: Vector, paths: Sequence[str]) -> Iterator[Piece]:
    """The rows of CSV files that have a number for each feature, in the order of the features."""
    for path in paths:
        try:
            rows, decimal = open_rows(path)
            numbered = _after_names(rows, decimal)
            while some := list(islice(numbered, PIECE)):
                yield _piece(path, some, inputs.features, decimal)
        except UserError as error:  # the file itself, from here on
            yield Piece(None, [], [str(error)])


def _after_names(rows: Iterator[Row | Fault], decimal: str) -> Iterator[Row | Fault]:
    """All rows, but the first where nothing in it is a number."""
    for i, row in enumerate(rows):
        if i > 0 or isinstance(row, Fault) or any(number(field, decimal) is not None for field in row.fields):
            yield row


def _piece(path: str, rows: Sequence[Row | Fault], features: int, decimal: str) -> Piece:
    vectors, sources, failures = [], [], []
    for row in rows:
        if isinstance(row, Fault):
            failures.append(str(row))
            continue
        try:
            vectors.append(_numbers(row.fields, features, decimal))
            sources.append({"file": path, "row": row.number})
        except ValueError as error:
            failures.append(f"{path}:{row.number}{error}")
    return Piece(torch.tensor(vectors, dtype=torch.float64) if vectors else None, sources, failures)


def _numbers(fields: Sequence[str], features: int, decimal: str) -> list[float]:
    if len(fields) != features:
        raise ValueError(f": expected {features} numbers, found {len(fields)} value{'s' if len(fields) > 1 else ''}")
    found = [number(field, decimal) for field in fields]
    for place, value in enumerate(found, start=1):
        if value is None:
            raise ValueError(f":{place}: '{fields[place - 1]}' is not a finite number")
    return [value for value in found if value is not None]
