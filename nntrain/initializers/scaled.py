"""Random numbers whose spread keeps signals, and gradients, of one size from layer to layer.

n_in is the number of inputs that a unit sees (of a filter bank, channels times window), n_out the number of units
that see an input.
"""

from torch import nn

from nntrain.initializers import Fill, OnMatrices
from nntrain.registry import initializer
from nntrain.settings import NonNegative, Positive


@initializer("glorot_uniform", within=OnMatrices)
def glorot_uniform(*, gain: Positive = 1.0) -> Fill:
    """Evenly spread, for tanh: signals and gradients keep their size as well as both can at once.

    w ~ U(-a, a), a = gain sqrt(6 / (n_in + n_out))

    Source: Glorot, Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.

    Settings:
        gain: what the activation's slope asks for beside (5/3 for tanh, 4 for sigmoid)
    """
    return lambda parameter: nn.init.xavier_uniform_(parameter, gain)


@initializer("glorot_normal", within=OnMatrices)
def glorot_normal(*, gain: Positive = 1.0) -> Fill:
    """Normally distributed, for tanh: signals and gradients keep their size as well as both can at once.

    w ~ N(0, gain^2 2 / (n_in + n_out))

    Source: Glorot, Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.

    Settings:
        gain: what the activation's slope asks for beside (5/3 for tanh, 4 for sigmoid)
    """
    return lambda parameter: nn.init.xavier_normal_(parameter, gain)


@initializer("he_uniform", within=OnMatrices)
def he_uniform(*, slope: NonNegative = 0.0) -> Fill:
    """Evenly spread, for relu: half of the units being off, the others carry twice the variance.

    w ~ U(-a, a), a = sqrt(6 / ((1 + slope^2) n_in))

    Source: He et al., Delving deep into rectifiers, 2015, arXiv:1502.01852.

    Settings:
        slope: of a leaky relu on its left side
    """
    return lambda parameter: nn.init.kaiming_uniform_(parameter, slope, nonlinearity="leaky_relu")


@initializer("he_normal", within=OnMatrices)
def he_normal(*, slope: NonNegative = 0.0) -> Fill:
    """Normally distributed, for relu: half of the units being off, the others carry twice the variance.

    w ~ N(0, 2 / ((1 + slope^2) n_in))

    Source: He et al., Delving deep into rectifiers, 2015, arXiv:1502.01852.

    Settings:
        slope: of a leaky relu on its left side
    """
    return lambda parameter: nn.init.kaiming_normal_(parameter, slope, nonlinearity="leaky_relu")


@initializer("lecun_normal", within=OnMatrices)
def lecun_normal() -> Fill:
    """Normally distributed, for inputs of variance 1 and units that are linear around 0 (tanh, selu).

    w ~ N(0, 1 / n_in)

    Source: LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.6.
    """
    return lambda parameter: nn.init.kaiming_normal_(parameter, nonlinearity="linear")


@initializer("lecun_uniform", within=OnMatrices)
def lecun_uniform() -> Fill:
    """Evenly spread, for inputs of variance 1 and units that are linear around 0 (tanh, selu).

    w ~ U(-a, a), a = sqrt(3 / n_in)

    Source: LeCun, Bottou, Orr, Mueller, Efficient BackProp, 1998, section 4.6.
    """
    return lambda parameter: nn.init.kaiming_uniform_(parameter, nonlinearity="linear")
