"""What a task has to show of a model beside numbers: pictures, text, and points in space."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nntrain.grid import Drawn


@dataclass(frozen=True)
class Picture:
    """A PNG file."""

    name: str
    drawn: Drawn


@dataclass(frozen=True)
class Text:
    """Text in Markdown."""

    name: str
    markdown: str


Sample = Picture | Text


@dataclass(frozen=True)
class Projection:
    """Points (n, numbers), each with a label, and a picture (n, 1 or 3, height, width) where there are some."""

    points: Tensor
    labels: Sequence[str]
    pictures: Tensor | None = None


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in lines
    )
