"""How likely a model finds inputs."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from nntrain.registry import metric
from nntrain.specs import Density


@metric("log_likelihood")
class LogLikelihood:
    """The mean logarithm of the probability of an input under the model.

    log_likelihood = 1/n sum_i log p(x_i), in nats

    Exact, and so there for small models only: the normalising constant is a sum over all states. It is at most
    minus the entropy of the data (for n different inputs, each seen equally often, -ln n).
    Source: Bishop, Pattern Recognition and Machine Learning, section 1.6.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Density) -> None:
        pass

    def measure(self, predictions: Any, targets: Tensor) -> Tensor:
        return _sum_and_count(predictions.log_likelihood(predictions.below(targets)))

    def value(self, state: Tensor) -> float:
        return _mean(state)


@metric("pseudo_likelihood")
class PseudoLikelihood:
    """The mean logarithm of the probability of each part of an input, given all its other parts.

    pseudo_likelihood = 1/n sum_i sum_j log p(x_ij | x_i without x_ij), in nats

    Needs no normalising constant, but takes as many passes as an input has numbers.
    Source: Besag, Statistical analysis of non-lattice data, 1975.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Density) -> None:
        pass

    def measure(self, predictions: Any, targets: Tensor) -> Tensor:
        return _sum_and_count(predictions.pseudo_likelihood(predictions.below(targets)))

    def value(self, state: Tensor) -> float:
        return _mean(state)


def _sum_and_count(values: Tensor) -> Tensor:
    return torch.stack((values.double().sum(), values.new_full((), len(values), dtype=torch.float64)))


def _mean(state: Tensor) -> float:
    total, count = state.tolist()
    return total / count
