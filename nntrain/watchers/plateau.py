"""Reduce on plateau."""

from dataclasses import dataclass

from nntrain.registry import watcher
from nntrain.settings import Factor, Length, NonNegative, Share, section


@watcher("plateau")
@section
@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Multiplies the learning rate, beside what the schedule does, whenever a metric stops getting better.

    rate = max(least, factor rate) after patience without a better evaluation, and again patience later at the earliest

    Written trainer.plateau: {patience: 5 epochs}; the rate is that share of the schedule's.
    Source: torch.optim.lr_scheduler.ReduceLROnPlateau; He et al., Deep residual learning, 2015, arXiv:1512.03385,
    section 3.4, "divided by 10 when the error plateaus".

    Settings:
        patience: how long to wait for a better evaluation
        factor: what the rate is multiplied with then
        min_change: how much better it has to be
        monitor: the metric to watch, such as dev/error_rate; left out, trainer.monitor
        least: the share of the schedule's rate that is never gone below
    """

    patience: Length
    factor: Share = 0.1
    min_change: NonNegative = 0.0
    monitor: str | None = None
    least: Factor = 0.0
