"""Dividing examples into training, dev and test set."""

import math
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from nntrain.settings import Share, Whole, section


@section
class SplitSettings:
    """How a set is divided where it does not come divided: at random, seeded, and stratified.

    Settings:
        dev: the share of the examples for the dev set; left out, 0.15, or 0.1 of the training set where the
            set has a test set of its own; 0 for none
        test: the share for the test set; left out, 0.15 where the set has none of its own
        seed: of the division; not the run's, so that runs with other seeds have the same dev set
    """

    def __init__(
        self,
        *,
        dev: Annotated[float, Ge(0), Lt(1)] | None = None,
        test: Share | None = None,
        seed: Whole = 0,
    ) -> None:
        self.dev = dev
        self.test = test
        self.seed = seed


def divide(strata: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """The numbers of the examples that stay, and of the floor(share * n) that are taken, each in order.

    Every stratum gives its share to within one example: examples are ordered by stratum, at random within
    each, and taken at even distances.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(strata), generator=generator)
    order = shuffled[strata[shuffled].argsort(stable=True)]
    taken = math.floor(share * len(strata) + 1e-9)
    positions = (2 * torch.arange(taken) + 1) * len(strata) // max(2 * taken, 1)
    mask = torch.zeros(len(strata), dtype=torch.bool)
    mask[order[positions]] = True
    return (~mask).nonzero().flatten(), mask.nonzero().flatten()


def sampled(examples: int, size: int, seed: int) -> Tensor:
    """The numbers of a fixed random part of some examples, in order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(examples, generator=generator)[:size].sort().values
