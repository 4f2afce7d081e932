"""Decay with the inverse square root of time."""

import math

from nntrain.clock import Clock, Duration
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Length


@scheduler("inverse_sqrt", within=Warmup)
def inverse_sqrt(clock: Clock, *, scale: Length = Duration(5, "%")) -> Schedule:  # noqa: B008
    """The rate falls as 1/sqrt(t), slowly and without end.

    factor(t) = sqrt(scale / (scale + t))

    With a warm-up as long as `scale` it is the transformer's: min(t / scale, sqrt(scale / t)) of the full rate.
    Source: Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762, section 5.3.

    Settings:
        scale: how long the rate stays near the first; after three times as long it is half of it
    """
    steps = clock.steps(scale)
    return lambda progress: math.sqrt(steps / (steps + progress * clock.total))
