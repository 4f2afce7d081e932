"""Polynomial decay."""

from nntrain.clock import Clock
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Positive


@scheduler("polynomial", within=Warmup)
def polynomial(clock: Clock, *, power: Positive = 2.0, final: Factor = 0.0) -> Schedule:
    """The rate falls with a power of what is left of the run.

    factor(p) = final + (1 - final) (1 - p)^power

    Source: Chen et al., DeepLab, 2017, arXiv:1606.00915, section 4.1 ("poly", with power 0.9).

    Settings:
        power: 1 is a line; larger ones fall faster at first
        final: the last rate as a share of the first
    """
    return lambda progress: final + (1 - final) * max(0.0, 1 - progress) ** power
