"""Random numbers of a given spread."""

from torch import nn

from nntrain.initializers import Fill, OnParameters
from nntrain.registry import initializer
from nntrain.settings import Finite, Positive


@initializer("uniform", within=OnParameters)
def uniform(*, limit: Positive = 0.05) -> Fill:
    """Numbers evenly spread around 0.

    w ~ U(-limit, limit), with deviation limit / sqrt(3)

    Source: Goodfellow, Bengio, Courville, Deep Learning, section 8.4.

    Settings:
        limit: the largest
    """
    return lambda parameter: nn.init.uniform_(parameter, -limit, limit)


@initializer("normal", within=OnParameters)
def normal(*, mean: Finite = 0.0, deviation: Positive = 0.02) -> Fill:
    """Normally distributed numbers.

    w ~ N(mean, deviation^2)

    Source: Radford et al., Language models are unsupervised multitask learners, 2019 (deviation 0.02).

    Settings:
        mean: their mean
        deviation: their standard deviation
    """
    return lambda parameter: nn.init.normal_(parameter, mean, deviation)


@initializer("truncated_normal", within=OnParameters)
def truncated_normal(*, deviation: Positive = 0.02, most: Positive = 2.0) -> Fill:
    """Normally distributed numbers without the far ones.

    w ~ N(0, deviation^2), drawn again where |w| > most deviation

    Source: Devlin et al., BERT, 2019, arXiv:1810.04805 (deviation 0.02, its code).

    Settings:
        deviation: the standard deviation before the far ones are left out
        most: how many deviations away is too far
    """
    limit = most * deviation
    return lambda parameter: nn.init.trunc_normal_(parameter, 0.0, deviation, -limit, limit)
