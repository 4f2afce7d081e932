"""Cosine decay."""

import math

from nntrain.clock import Clock
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor


@scheduler("cosine", within=Warmup)
def cosine(clock: Clock, *, final: Factor = 0.0) -> Schedule:
    """The rate falls along half a cosine: slowly, fast, slowly.

    factor(p) = final + (1 - final) (1 + cos(pi p)) / 2

    Source: Loshchilov, Hutter, SGDR, 2017, arXiv:1608.03983, without restarts.

    Settings:
        final: the last rate as a share of the first
    """
    return lambda progress: final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2
