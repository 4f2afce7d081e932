"""Batches of sequences that are about equally long."""

import torch
from torch import Generator, Tensor

from nntrain.errors import UnfitError
from nntrain.registry import sampler
from nntrain.samplers import TrainingSet
from nntrain.settings import Count


@sampler("by_length")
class ByLength:
    """Every example once an epoch, in batches of about equally long ones, so that little is computed on padding.

    The shuffled examples are dealt out to pools of some batches; within each pool they are ordered by length and
    cut into batches, and the batches of all pools are shuffled. The short batch that an epoch may end with is of
    any lengths.

    Source: Khomenko et al., Accelerating recurrent neural network training using sequence bucketing and multi-GPU
    data parallelization, 2016, arXiv:1708.05604.

    Settings:
        pool: how many batches a pool has; more of them save more padding, and mix the examples less
    """

    def __init__(self, train: TrainingSet, *, pool: Count = 50) -> None:
        if train.lengths is None:
            raise UnfitError(
                "the inputs have no lengths of their own, so they cannot be ordered by them; take shuffled"
            )
        self.lengths = train.lengths.cpu()
        self.batch_size = train.batch_size
        self.pool = pool

    def __call__(self, generator: Generator) -> Tensor:
        order = torch.randperm(len(self.lengths), generator=generator)
        batches = len(order) // self.batch_size
        whole, rest = order[: batches * self.batch_size], order[batches * self.batch_size :]
        pools = torch.split(whole, self.pool * self.batch_size)
        ordered = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        shuffled = torch.randperm(batches, generator=generator)
        return torch.cat((ordered.view(batches, self.batch_size)[shuffled].flatten(), rest))
