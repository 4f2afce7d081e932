"""Step decay."""

import math

from nntrain.clock import Clock, Duration
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Length


@scheduler("step", within=Warmup)
def step(clock: Clock, *, every: Length = Duration(30, "%"), factor: Factor = 0.1) -> Schedule:  # noqa: B008
    """The rate is multiplied by a factor at even intervals.

    factor(p) = factor^floor(p / every)

    Source: He et al., Deep residual learning, 2015, divide the rate by 10 at such steps.

    Settings:
        every: how long a rate is kept
        factor: what it is multiplied with then
    """
    steps = every.amount * clock.steps_in(every.unit)
    # Progress is a fraction of the run that floating point does not hold exactly; its steps are whole.
    return lambda progress: factor ** math.floor(round(progress * clock.total) / steps + 1e-9)
