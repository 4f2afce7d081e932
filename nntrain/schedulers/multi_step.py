"""Step decay at chosen moments."""

from typing import Annotated

from annotated_types import Len

from nntrain.clock import Clock, Duration
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Length

Moments = Annotated[list[Length], Len(1)]
HALF, THREE_QUARTERS = Duration(50, "%"), Duration(75, "%")


@scheduler("multi_step", within=Warmup)
def multi_step(clock: Clock, *, at: Moments = [HALF, THREE_QUARTERS], factor: Factor = 0.1) -> Schedule:  # noqa: B006
    """The rate is multiplied by a factor at each of some chosen moments.

    factor(p) = factor^k, k the number of moments that are not after p

    Source: He et al., Deep residual learning, 2015, arXiv:1512.03385: at 32,000 and 48,000 of 64,000 steps.

    Settings:
        at: the moments, after the warm-up
        factor: what the rate is multiplied with at each
    """
    moments = [round(moment.amount * clock.steps_in(moment.unit)) for moment in at]
    return lambda progress: factor ** sum(moment <= round(progress * clock.total) for moment in moments)
