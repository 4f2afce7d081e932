"""A step length along a direction that meets the strong Wolfe conditions."""

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

ENOUGH_LOWER = 1e-4  # c1
FLAT_ENOUGH = 0.9  # c2
OUTWARD = 4.0  # times the length, until a minimum is bracketed (as in More, Thuente 1994)
EVALUATIONS = 25


class Point(NamedTuple):
    """A point on a line: its distance t from the start, the objective f, its slope f' and its gradient there."""

    length: float
    value: float
    slope: float
    gradient: Tensor

    def is_finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.slope)


def strong_wolfe(line: Callable[[float], Point], start: Point, length: float) -> Point:
    """A point where f(t) <= f(0) + c1 t f'(0) and |f'(t)| <= c2 |f'(0)|; tries `length` first.

    Goes outward until such points are bracketed, then into the bracket by cubic interpolation. Where that takes
    too many evaluations, or the decrease is lost in rounding, it is the lowest end of the bracket, perhaps the
    start itself.
    Source: Nocedal, Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6.
    """
    low: Point = start
    high: Point | None = None
    for _ in range(EVALUATIONS):
        point = line(length)
        promised = start.value + ENOUGH_LOWER * length * start.slope
        if not point.is_finite() or point.value > promised or point.value >= low.value:
            high = point
        elif abs(point.slope) <= -FLAT_ENOUGH * start.slope:
            return point
        else:
            onward = 1.0 if high is None else high.length - low.length
            high = low if point.slope * onward >= 0 else high
            low = point
        length = OUTWARD * length if high is None else _between(low, high)
    return low


def _between(low: Point, high: Point) -> float:
    """Where the cubic through both ends is lowest, at least a tenth of the bracket away from either."""
    width = high.length - low.length
    if not high.is_finite():
        return low.length + width / 10
    mean = low.slope + high.slope - 3 * (high.value - low.value) / width
    under_root = mean * mean - low.slope * high.slope
    root = math.copysign(math.sqrt(max(0.0, under_root)), width)
    below = high.slope - low.slope + 2 * root
    share = 1 - (high.slope + root - mean) / below if under_root >= 0 and below != 0 else 0.5
    return low.length + width * min(0.9, max(0.1, share))
