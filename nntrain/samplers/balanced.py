"""Classes seen equally often."""

import torch
from torch import Generator, Tensor

from nntrain.errors import UnfitError
from nntrain.registry import sampler
from nntrain.samplers import TrainingSet


@sampler("balanced")
class Balanced:
    """Every class equally often: each place of an epoch draws a class, and then one of its examples.

    p(example i) = 1 / (classes * examples of i's class), drawn with replacement

    Good where some classes are rare. An epoch has as many places as there are examples; examples of large classes
    are left out of some epochs, those of small ones come several times.
    Source: He, Garcia, Learning from imbalanced data, 2009, section 3.1.
    """

    def __init__(self, train: TrainingSet) -> None:
        if train.labels is None:
            raise UnfitError("only classes can be balanced, and the targets are none; take shuffled")
        labels = train.labels.cpu()
        self.by_class = labels.argsort(stable=True)
        self.sizes = torch.unique(labels, return_counts=True)[1]
        self.starts = self.sizes.cumsum(0) - self.sizes

    def __call__(self, generator: Generator) -> Tensor:
        classes = torch.randint(len(self.sizes), (len(self.by_class),), generator=generator)
        shares = torch.rand(len(self.by_class), dtype=torch.float64, generator=generator)
        return self.by_class[self.starts[classes] + (shares * self.sizes[classes]).long()]
