"""A loss is a sum and a count that merge, so that uneven batches give the result of one big batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
        parts = [term.sum * (term.weight / counts[name]) for name, term in self.items()]
        return sum(parts[1:], start=parts[0])


@dataclass(frozen=True)
class Objective:
    """What one optimizer minimises: a part of the model, its outputs and their loss, kept apart.

    `name` is the part of the model that is trained (`model` is all of it), the optimizer's key in the config
    and the prefix in TensorBoard. Counts are known from the batch before the forward pass.
    """

    name: str
    outputs: Callable[[nn.Module, Batch], Any]
    loss: Callable[[Any, Batch], Loss]
    counts: Callable[[Batch], Counts]
    every: int = 1

    def part_of(self, model: nn.Module) -> nn.Module:
        return model if self.name == "model" else model.get_submodule(self.name)
