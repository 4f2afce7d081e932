"""Cosine decay with restarts."""

import math

from nntrain.clock import Clock, Duration
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Length, Multiple


@scheduler("cosine_restarts", within=Warmup)
def cosine_restarts(
    clock: Clock,
    *,
    first: Length = Duration(25, "%"),  # noqa: B008
    growth: Multiple = 1.0,
    final: Factor = 0.0,
) -> Schedule:
    """The rate falls along half a cosine again and again, each time from its full value.

    factor(t) = final + (1 - final) (1 + cos(pi u)) / 2, u from 0 to 1 within each cycle; cycle i takes
    first growth^i

    Source: Loshchilov, Hutter, SGDR, 2017, arXiv:1608.03983.

    Settings:
        first: how long the first cycle takes
        growth: how many times as long as the one before each cycle takes
        final: the rate at the end of a cycle as a share of the first
    """
    steps = clock.steps(first)
    return lambda progress: (
        final + (1 - final) * (1 + math.cos(math.pi * _in_cycle(round(progress * clock.total), steps, growth))) / 2
    )


def _in_cycle(step: int, first: int, growth: float) -> float:
    """How much of its cycle a step is in, from 0 to below 1."""
    if growth == 1:
        return step % first / first
    cycle = math.floor(math.log1p(step * (growth - 1) / first) / math.log(growth) + 1e-9)
    begin = first * (growth**cycle - 1) / (growth - 1)
    return min(1.0, max(0.0, (step - begin) / (first * growth**cycle)))
