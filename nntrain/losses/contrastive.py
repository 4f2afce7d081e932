"""The contrastive loss of two views."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.settings import Positive
from nntrain.specs import Embedding


@loss("contrastive")
class NormalizedTemperatureCrossEntropy:
    """Two views of one example are to be near each other, and far from those of all others in the batch (NT-Xent).

    L = -sum_i 1/2 sum over both views v of log(exp(s(v, v') / T) / sum_{k != v} exp(s(v, k) / T)), s the cosine

    Outputs are embeddings (2 batch, size): a view of every example, then the other of every example; v' is v's
    other view, k runs over the other 2 batch - 1. It is no sum over examples: each is told from the others of its
    batch, so that batches of another size, or put together otherwise, have another loss.
    Source: Chen, Kornblith, Norouzi, Hinton, A simple framework for contrastive learning, 2020, arXiv:2002.05709.

    Settings:
        temperature: T
    """

    is_of_examples = True
    starts_at_guessing = False  # two views of an example are alike from the start

    def __init__(self, targets: Embedding, *, temperature: Positive = 0.5) -> None:
        self.temperature = temperature

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        views = F.normalize(at_least_single(outputs), dim=1)
        count = len(views)
        likeness = (views @ views.T / self.temperature).masked_fill(
            torch.eye(count, dtype=torch.bool, device=views.device), -torch.inf
        )
        other = torch.arange(count, device=views.device).roll(count // 2)
        return F.cross_entropy(likeness, other, reduction="none").view(2, -1).mean(dim=0)
