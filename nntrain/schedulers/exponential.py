"""Exponential decay."""

from nntrain.clock import Clock
from nntrain.registry import scheduler
from nntrain.schedulers import Schedule, Warmup
from nntrain.settings import Share


@scheduler("exponential", within=Warmup)
def exponential(clock: Clock, *, final: Share = 0.01) -> Schedule:
    """The rate falls by the same share in every step.

    factor(p) = final^p = exp(-k t), k = -ln(final) / T for a run of T steps

    Source: Li, Arora, An exponential learning rate schedule for deep learning, 2020, arXiv:1910.07454.

    Settings:
        final: the last rate as a share of the first
    """
    return lambda progress: final**progress
