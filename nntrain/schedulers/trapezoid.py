"""Warm-up, stable, decay."""

from nntrain.clock import Clock, Duration
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Factor, Length


@scheduler("trapezoid", within=Warmup)
def trapezoid(clock: Clock, *, decay: Length = Duration(20, "%"), final: Factor = 0.0) -> Schedule:  # noqa: B008
    """The rate stays at its full value and falls along a line at the end; with `warmup` it is a trapezoid.

    factor(p) = 1 for p <= 1 - d;  1 - (1 - final) (p - (1 - d)) / d from there on

    Source: Zhai et al., Scaling vision transformers, 2022, arXiv:2106.04560; Haegele et al., Scaling laws and
    compute-optimal training beyond fixed training durations, 2024, arXiv:2405.18392.

    Settings:
        decay: d, how long the fall at the end takes
        final: the last rate as a share of the full one
    """
    share = min(1.0, clock.share(decay))
    return lambda progress: 1 - (1 - final) * max(0.0, progress - (1 - share)) / share
