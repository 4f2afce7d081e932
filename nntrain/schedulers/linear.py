"""Linear decay."""

from nntrain.clock import Clock
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Length


@scheduler("linear", within=Warmup)
def linear(clock: Clock, *, final: Factor = 0.0, until: Length | None = None) -> Schedule:
    """The rate falls along a line to its last value, and stays there.

    factor(p) = 1 - (1 - final) min(1, p / tau)

    Source: Goodfellow, Bengio, Courville, Deep Learning, equation 8.14.

    Settings:
        final: the last rate as a share of the first
        until: tau, how long the fall takes; left out, to the end
    """
    tau = clock.share(until) if until is not None else 1.0
    return lambda progress: 1 - (1 - final) * min(1.0, progress / tau)
