"""The rate as it is."""

from nntrain.clock import Clock
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup


@scheduler("constant", within=Warmup)
def constant(clock: Clock) -> Schedule:
    """The same rate from first to last.

    factor(p) = 1

    Source: Robbins, Monro, A stochastic approximation method, 1951, show that the rate has to fall in the end.
    """
    return lambda progress: 1.0
