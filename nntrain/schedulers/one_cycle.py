"""One cycle: up, and down again further."""

import math

from nntrain.clock import Clock
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Share


@scheduler("one_cycle", within=Warmup)
def one_cycle(clock: Clock, *, rise: Share = 0.3, start: Factor = 0.04, final: Factor = 4e-6) -> Schedule:
    """The rate rises to its full value and falls far below where it began, both along half a cosine.

    factor(p) = start + (1 - start) (1 - cos(pi p / rise)) / 2                       for p < rise
    factor(p) = final + (1 - final) (1 + cos(pi (p - rise) / (1 - rise))) / 2        from there on

    Source: Smith, Topin, Super-convergence, 2018, arXiv:1708.07120; defaults as torch's OneCycleLR.

    Settings:
        rise: the share of the run in which the rate rises
        start: the first rate as a share of the full one
        final: the last rate as a share of the full one
    """

    def factor(progress: float) -> float:
        if progress < rise:
            return start + (1 - start) * (1 - math.cos(math.pi * progress / rise)) / 2
        return final + (1 - final) * (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2

    return factor
