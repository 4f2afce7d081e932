"""Whether views of one example are known as such."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.registry import metric
from nntrain.specs import Embedding

MOST_COMPARED = 2000  # examples: all are compared with all


@dataclass(frozen=True)
class Views:
    """Embeddings of both views of examples; states merge by lying one below the other."""

    one: Tensor
    other: Tensor

    def __add__(self, more: "Views") -> "Views":
        return Views(*(torch.cat(p)[:MOST_COMPARED] for p in ((self.one, more.one), (self.other, more.other))))


@metric("mismatch")
class Mismatch:
    """The share of examples whose second view is not the nearest of all second views to their first.

    mismatch = 1/n sum_i [argmax_j s(z_i, z'_j) != i], s the cosine

    Predictions z and targets z' are embeddings (batch, size) of the two views. Of the first 2,000 examples; 0 is
    perfect, 1 - 1/n by chance.
    Source: as the accuracy on the contrastive task of He, Fan, Wu, Xie, Girshick, Momentum contrast, 2020,
    arXiv:1911.05722.
    """

    better: ClassVar[str] = "lower"

    def __init__(self, targets: Embedding) -> None:
        pass

    def measure(self, predictions: Tensor, targets: Tensor) -> Views:
        return Views(*(F.normalize(part.float(), dim=1)[:MOST_COMPARED] for part in (predictions, targets)))

    def value(self, state: Views) -> float:
        nearest = (state.one @ state.other.T).argmax(dim=1)
        return float((nearest != torch.arange(len(nearest), device=nearest.device)).double().mean())
