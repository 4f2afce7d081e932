"""What a column of a table holds, told by its values."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["number", "boolean", "category", "ignore"]  # what the user may say that a column is
MOST_CATEGORIES = 100
MOST_CLASSES = 20  # that are whole numbers
OF_A_CLASS = 5  # rows, on average, where classes are whole numbers
FEWEST_IDS = 20
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?([T ]\d.*)?"  # 2021-03-31, 2021-03
    r"|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ]\d.*)?"  # 31.03.2021
    r"|\d{1,2}:\d{2}(:\d{2}.*)?",
    re.ASCII,
)
BOOLEANS = ({"false": 0.0, "true": 1.0}, {"no": 0.0, "yes": 1.0})


@dataclass(frozen=True)
class Found:
    """What a column holds; `why` says it in words, where the user is to be told."""

    type: Literal["number", "boolean", "category", "date", "text", "ids", "empty"]
    why: str = ""


def number(text: str, decimal: str) -> float | None:
    """The number that a text is, None where it is none or too large."""
    plain = text.replace(".", ":").replace(",", ".") if decimal == "," else text  # 1.000 is no number then
    if not NUMBER.fullmatch(plain):
        return None
    value = float(plain)
    return value if abs(value) < float("inf") else None


def boolean(text: str) -> float | None:
    """1 for yes and true, 0 for no and false, None for anything else."""
    return next((words[text.lower()] for words in BOOLEANS if text.lower() in words), None)


def found(values: Sequence[str], decimal: str) -> Found:
    """What a column holds whose values, without the missing ones, are these.

    booleans: all are true or false, or all yes or no; numbers, dates: more than half are; ids: whole numbers that
    count 20 rows or more; categories: at most 100 different values, each twice or more on average; text: all else
    """
    if not values:
        return Found("empty", "no values")
    different = set(values)
    if any({value.lower() for value in different} <= words.keys() for words in BOOLEANS):
        return Found("boolean")
    if _most(values, lambda value: number(value, decimal) is not None):
        counted = _as_ids(values)
        return Found("ids", counted) if counted else Found("number")
    if _most(values, lambda value: DATE.fullmatch(value) is not None):
        return Found("date", next(value for value in values if DATE.fullmatch(value)))
    if len(different) <= MOST_CATEGORIES and 2 * len(different) <= len(values):
        return Found("category")
    return Found("text", f"{len(different)} different texts in {len(values)} rows")


def are_classes(values: Sequence[str], decimal: str) -> bool:
    """Whether numbers are to be taken for classes: at most 20 different whole ones, each five times on average."""
    different = set(values)
    if len(different) > min(MOST_CLASSES, len(values) // OF_A_CLASS):
        return False
    return all((value := number(text, decimal)) is not None and value.is_integer() for text in different)


def _most(values: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return 2 * sum(map(holds, values)) > len(values)


def _as_ids(values: Sequence[str]) -> str:
    """How numbers count the rows, if they do, in whatever order."""
    if len(values) < FEWEST_IDS or not all(WHOLE.fullmatch(value) for value in values):
        return ""
    numbers = {int(value) for value in values}
    is_count = len(numbers) == len(values) == max(numbers) - min(numbers) + 1
    return f"every whole number from {min(numbers)} to {max(numbers)} once" if is_count else ""
