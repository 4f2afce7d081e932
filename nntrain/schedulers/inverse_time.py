"""Decay with the inverse of time."""

from nntrain.clock import Clock, Duration
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Length


@scheduler("inverse_time", within=Warmup)
def inverse_time(clock: Clock, *, half: Length = Duration(10, "%")) -> Schedule:  # noqa: B008
    """The rate falls as 1/t, for which stochastic gradient descent is known to converge.

    factor(t) = 1 / (1 + t / half)

    Source: Robbins, Monro, A stochastic approximation method, 1951; Bottou, Stochastic gradient descent tricks, 2012.

    Settings:
        half: after how long the rate is half of the first
    """
    steps = clock.steps(half)
    return lambda progress: 1 / (1 + progress * clock.total / steps)
