"""The usual order."""

import torch
from torch import Generator, Tensor

from nntrain.registry import sampler
from nntrain.samplers import TrainingSet


@sampler("shuffled")
class Shuffled:
    """Every example once an epoch, in a random order that is another one each epoch.

    Source: Bottou, Curiously fast convergence of some stochastic gradient descent algorithms, 2009.
    """

    def __init__(self, train: TrainingSet) -> None:
        self.count = train.count

    def __call__(self, generator: Generator) -> Tensor:
        return torch.randperm(self.count, generator=generator)
