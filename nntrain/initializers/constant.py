"""One number for all."""

from torch import nn

from nntrain.initializers import Fill, OnBiases
from nntrain.registry import initializer
from nntrain.settings import Finite


@initializer("zeros", within=OnBiases)
def zeros() -> Fill:
    """Zeros, as usual for biases; units of a hidden layer whose weights are all 0 would stay alike.

    w = 0

    Source: Goodfellow, Bengio, Courville, Deep Learning, section 8.4.
    """
    return nn.init.zeros_


@initializer("constant", within=OnBiases)
def constant(*, value: Finite = 0.1) -> Fill:
    """The same number everywhere, as some take it for biases.

    w = value

    Source: Goodfellow, Bengio, Courville, Deep Learning, section 8.4: small positive biases keep relu units awake.

    Settings:
        value: the number
    """
    return lambda parameter: nn.init.constant_(parameter, value)
