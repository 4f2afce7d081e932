"""Curves with bands, drawn as a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]
Range = tuple[float, float]

DETAIL = 3  # everything is drawn so many times as large, and made smaller at the end: smooth lines
OUTPUT = 2  # pixels of the picture to a unit of the sizes below, for screens that have them
WIDTH, HEIGHT = 400, 270  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 40  # around its axes
HEADER = 58
COLUMNS = 3
INK: Colour = (32, 33, 36)
FAINT: Colour = (95, 99, 104)
GRID: Colour = (226, 229, 233)


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: Sequence[Point]
    colour: Colour
    width: float = 1.8


@dataclass(frozen=True)
class Shade:
    """An area between two lines over the same places."""

    lower: Sequence[Point]
    upper: Sequence[Point]
    colour: Colour


@dataclass(frozen=True)
class Panel:
    """One pair of axes; shades and lines lie over each other in their order, and what is beyond the axes is cut."""

    title: str
    below: str
    x: Range
    y: Range
    shades: Sequence[Shade]
    lines: Sequence[Line]


def figure(title: str, subtitle: str, legend: Sequence[tuple[str, Colour]], panels: Sequence[Panel]) -> "Image":
    """Panels side by side, with a title and what the colours mean above them."""
    from PIL import Image

    columns = 2 if len(panels) == 4 else min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    picture = Image.new("RGB", (columns * WIDTH * DETAIL, (HEADER + rows * HEIGHT) * DETAIL), "white")
    _header(picture, title, subtitle, legend)
    for i, panel in enumerate(panels):
        picture.paste(_panel(panel), (i % columns * WIDTH * DETAIL, (HEADER + i // columns * HEIGHT) * DETAIL))
    size = (picture.width * OUTPUT // DETAIL, picture.height * OUTPUT // DETAIL)
    return picture.resize(size, Image.Resampling.LANCZOS)


def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round numbers within a range and their texts, 1, 2 or 5 times a power of ten apart, in at most so many steps."""
    least = (high - low) / most
    power = 10 ** math.floor(math.log10(least))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= least * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    numbers = [step * i for i in range(first, last + 1)]
    return [(n, f"{n:.{decimals}f}" if decimals < 6 and abs(n) < 1e6 else f"{n:.6g}") for n in numbers]


def _header(picture: "Image", title: str, subtitle: str, legend: Sequence[tuple[str, Colour]]) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    _text(pen, (LEFT, 18), title, 15, INK, "lm")
    _text(pen, (LEFT, 40), subtitle, 11, FAINT, "lm")
    right: float = picture.width / DETAIL - RIGHT
    for name, colour in reversed(legend):
        length = pen.textlength(name, font=_font(13)) / DETAIL
        _text(pen, (right - length, 18), name, 13, INK, "lm")
        _stroke(pen, [(right - length - 26, 18), (right - length - 8, 18)], colour, 2.5)
        right -= length + 46


def _panel(panel: Panel) -> "Image":
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (WIDTH * DETAIL, HEIGHT * DETAIL), "white")
    pen = ImageDraw.Draw(picture)
    _axes(pen, panel)
    place = _places(panel)
    inside = Image.new("L", picture.size, 0)
    ImageDraw.Draw(inside).rectangle(_scaled([(LEFT, TOP), (WIDTH - RIGHT, HEIGHT - BOTTOM)]), fill=255)
    drawn = picture.copy()
    for shade in panel.shades:
        drawn = _shaded(drawn, [place(p) for p in (*shade.lower, *reversed(shade.upper))], shade.colour)
    pen = ImageDraw.Draw(drawn)
    for line in panel.lines:
        _stroke(pen, [place(p) for p in line.points], line.colour, line.width)
    picture.paste(drawn, mask=inside)
    return picture


def _axes(pen: "ImageDraw", panel: Panel) -> None:
    """Title, grid and numbers."""
    place = _places(panel)
    _text(pen, (LEFT, 16), panel.title, 13, INK, "lm")
    _text(pen, ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10), panel.below, 11, FAINT, "mm")
    for y, number in ticks(*panel.y, most=6):
        height = place((panel.x[0], y))[1]
        _stroke(pen, [(LEFT, height), (WIDTH - RIGHT, height)], GRID, 1)
        _text(pen, (LEFT - 8, height), number, 11, FAINT, "rm")
    for x, number in ticks(*panel.x, most=6):
        across = place((x, panel.y[0]))[0]
        _stroke(pen, [(across, TOP), (across, HEIGHT - BOTTOM)], GRID, 1)
        _text(pen, (across, HEIGHT - BOTTOM + 12), number, 11, FAINT, "mm")


def _places(panel: Panel) -> Any:
    """From a panel's numbers to places in it."""
    (left, right), (low, high) = panel.x, panel.y

    def place(point: Point) -> Point:
        across, up = (point[0] - left) / (right - left), (point[1] - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    return place


def _shaded(picture: "Image", outline: Sequence[Point], colour: Colour) -> "Image":
    """The picture with an area through which what lies below it can be seen."""
    from PIL import Image, ImageDraw

    area = Image.new("L", picture.size, 0)
    ImageDraw.Draw(area).polygon(_scaled(outline), fill=56)
    return Image.composite(Image.new("RGB", picture.size, colour), picture, area)


def _stroke(pen: "ImageDraw", points: Sequence[Point], colour: Colour, width: float) -> None:
    pen.line(_scaled(points), fill=colour, width=round(width * DETAIL), joint="curve")


def _text(pen: "ImageDraw", place: Point, text: str, size: int, colour: Colour, anchor: str) -> None:
    (at,) = _scaled([place])
    pen.text(at, text, fill=colour, font=_font(size), anchor=anchor)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size * DETAIL)


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * DETAIL, y * DETAIL) for x, y in points]
