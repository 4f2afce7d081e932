"""How well made examples stand for real ones."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nntrain.registry import metric
from nntrain.specs import Samples

MOST_COMPARED = 2000  # examples of each kind: all are compared with all
NEIGHBOURS = 5


@dataclass(frozen=True)
class Both:
    """Real and made examples as rows of numbers; states merge by lying one below the other."""

    real: Tensor
    made: Tensor

    def __add__(self, other: "Both") -> "Both":
        real, made = (torch.cat(parts)[:MOST_COMPARED] for parts in zip(self.parts, other.parts, strict=True))
        return Both(real, made)

    @property
    def parts(self) -> tuple[Tensor, Tensor]:
        return self.real, self.made


@metric("coverage")
class Coverage:
    """The share of real examples that have a made one as near as their fifth neighbour among the real ones.

    coverage = 1/n sum_i [min_j |x_i - x'_j| <= r_i], r_i the distance of x_i to its 5th nearest real example

    Low where the generator leaves out modes or makes nothing that looks real. Of the first 2,000 examples; the
    expectation for perfect samples is about 1 - 1/2^5 = 0.97.
    Source: Naeem, Oh, Uh, Choi, Yoo, Reliable fidelity and diversity metrics for generative models, 2020,
    arXiv:2002.09797.
    """

    better: ClassVar[str] = "higher"

    def __init__(self, targets: Samples) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Both:
        return Both(targets.flatten(1)[:MOST_COMPARED].float(), predictions.flatten(1)[:MOST_COMPARED].float())

    def value(self, state: Both) -> float:
        nearest = min(NEIGHBOURS + 1, len(state.real))  # each is its own nearest
        radius = torch.cdist(state.real, state.real).kthvalue(nearest, dim=1).values
        distance = torch.cdist(state.real, state.made).amin(dim=1)
        return float((distance <= radius).float().mean())
