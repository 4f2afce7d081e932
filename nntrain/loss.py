"""A loss is a sum and a count that merge, so that uneven batches give the result of one big batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch

Counts = Mapping[str, int | Tensor]  # a tensor of shape () where it takes the device to count


@dataclass(frozen=True)
class Term:
    """A part of a loss: the sum over examples, as a tensor of shape (), and its weight in the objective."""

    sum: Tensor
    weight: float = 1.0


class Loss(dict[str, Term]):
    """Named terms. Over given counts the loss is sum over terms of weight * sum / count."""

    def over(self, counts: Counts) -> Tensor:
        """The weighted mean, a tensor of shape (); `counts` may cover more examples than this batch."""
        parts = [self._part(name, counts) for name in self]
        return sum(parts[1:], start=parts[0])

    def apart(self, names: Sequence[str], counts: Counts) -> Tensor:
        """What each of some terms has in the weighted mean (names,), without a gradient."""
        parts = [self._part(name, counts).detach() for name in names]
        return torch.stack(parts) if parts else next(iter(self.values())).sum.new_empty(0)

    def _part(self, name: str, counts: Counts) -> Tensor:
        term = self[name]
        return term.sum * (term.weight / _not_zero(counts[name]))


def _not_zero(count: int | Tensor) -> int | Tensor:
    """A count to divide by: where nothing counts, the sum is 0, and so is the mean."""
    return count.clamp(min=1e-30) if isinstance(count, Tensor) else count


def weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    """The sum of the values (batch, ...), each times its weight, or its example's where weights are (batch,)."""
    if weights is None:
        return values.sum()
    return (values * weights.view(*weights.shape, *(1 for _ in values.shape[weights.dim() :]))).sum()


def examples_of(batch: Batch) -> int | Tensor:
    """How many examples a batch counts for: the sum of their weights."""
    return batch.examples if batch.weights is None else batch.weights.sum()


@dataclass(frozen=True)
class Objective:
    """What one optimizer minimises: a part of the model, its outputs and their loss, kept apart.

    `name` is the part of the model that is trained (`model` is all of it), the optimizer's key in the config
    and the prefix in TensorBoard. Counts are known from the batch before the forward pass. `terms` are the loss's
    that are logged apart. `has_value` is false where the gradient is of no function, so that values at two points
    cannot be compared.
    """

    name: str
    outputs: Callable[[nn.Module, Batch], Any]
    loss: Callable[[Any, Batch], Loss]
    counts: Callable[[Batch], Counts]
    every: int = 1
    terms: tuple[str, ...] = ()
    has_value: bool = True

    def part_of(self, model: nn.Module) -> nn.Module:
        return model if self.name == "model" else model.get_submodule(self.name)
