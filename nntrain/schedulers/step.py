"""Step decay."""

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
    steps = clock.steps(every)
    # Counted in whole steps: a share of the run is not exact in floating point.
    return lambda progress: factor ** (round(progress * clock.total) // steps)
