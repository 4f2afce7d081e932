"""What several numbers say together: deviation, and the interval that their mean lies in."""

import math
from collections.abc import Sequence
from statistics import mean, stdev

CONFIDENCE = 0.95


def deviation(values: Sequence[float]) -> float:
    """The standard deviation; not a number for one value."""
    return stdev(values) if len(values) > 1 else math.nan


def interval(values: Sequence[float]) -> tuple[float, float]:
    """mean +- t s / sqrt(n), t the quantile of Student's distribution with n - 1 degrees of freedom: 95 %."""
    half = half_width(len(values)) * deviation(values)
    return mean(values) - half, mean(values) + half


def half_width(n: int) -> float:
    """Half of the interval of n values, in standard deviations; not a number for one value."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) / math.sqrt(n) if n > 1 else math.nan
