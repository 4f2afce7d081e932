"""A curve drawn with characters, for the terminal."""

from collections.abc import Callable, Sequence

EIGHTHS = " ▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 64, 8


def curve(function: Callable[[float], float], left: str, right: str) -> str:
    """A function from [0, 1] to [0, 1] as filled columns, with a scale and names for both ends."""
    values = [function(i / (WIDTH - 1)) for i in range(WIDTH)]
    rows = [f"{_scale(row):>4} {_row(values, row)}" for row in reversed(range(HEIGHT))]
    return "\n".join((*rows, " " * 5 + left + right.rjust(WIDTH - len(left))))


def _row(values: Sequence[float], row: int) -> str:
    """One line of the picture: how much of it each column fills, in eighths."""
    filled = (min(8, max(0, round((value * HEIGHT - row) * 8))) for value in values)
    return "".join(EIGHTHS[eighths] for eighths in filled)


def _scale(row: int) -> str:
    return {HEIGHT - 1: "1", HEIGHT // 2 - 1: "0.5", 0: "0"}.get(row, "")
