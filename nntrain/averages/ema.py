"""Exponential moving average."""

from nntrain.averages import Averaged, Share
from nntrain.clock import Clock
from nntrain.registry import average
from nntrain.settings import Share as Part


@average("ema", within=Averaged)
def ema(clock: Clock, *, decay: Part = 0.999, warmup: bool = True) -> Share:
    """The exponential moving average of the weights: the newest count most, those 1 / (1 - d) steps ago 1/e of that.

    a_1 = w_1, a_t = d_t a_{t-1} + (1 - d_t) w_t; d_t = d, or with the warm-up min(d, (1 + t) / (10 + t))

    Smooths out what single batches do, as a falling rate does, so that a high rate can be kept for longer.
    Source: Polyak, Juditsky, Acceleration of stochastic approximation by averaging, 1992; Tarvainen, Valpola, Mean
    teachers are better role models, 2017, arXiv:1703.01780; the warm-up: tf.train.ExponentialMovingAverage;
    torch.optim.swa_utils.AveragedModel.

    Settings:
        decay: d
        warmup: whether the first steps, whose weights are bad, are forgotten sooner
    """

    def share(step: int) -> float:
        if step == 1:
            return 1.0
        return 1 - (min(decay, (1 + step) / (10 + step)) if warmup else decay)

    return share
