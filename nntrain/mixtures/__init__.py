"""Mixtures: training examples put together from two of a batch, and their targets with them."""

from typing import Annotated, Any, Protocol

import torch
from annotated_types import Gt, Le
from torch import Tensor

from nntrain.batch import Batch, one_hot
from nntrain.specs import Classes, Values

Concentration = Annotated[float, Gt(0), Le(100)]


class Mixture(Protocol):
    """Made for the data's inputs and targets."""

    def __call__(self, batch: Batch) -> Batch:
        """The mixed batch; of classes the targets become distributions (batch, classes), masks stay masks."""


def beta(alpha: float, device: torch.device) -> Tensor:
    """A number ~ Beta(alpha, alpha), a tensor of shape ()."""
    parameter = torch.full((), alpha, device=device)
    return torch.distributions.Beta(parameter, parameter, validate_args=False).sample()


def partners(batch: Batch) -> Tensor:
    """The number of the example that each is mixed with (batch,): the same examples in another order."""
    return torch.randperm(batch.examples, device=batch.targets.device)


def mixed(batch: Batch, inputs: Any, others: Tensor, share: Tensor, described: Classes | Values) -> Batch:
    """A batch of inputs that are mixed already: what they are, and how much they count, is mixed with it.

    Each is `share` of its own and the rest of what the example `others` has.
    """

    def between(own: Tensor) -> Tensor:
        return torch.lerp(own[others], own, share.to(own))

    targets = batch.targets
    if isinstance(described, Classes):
        targets = one_hot(targets, len(described), torch.get_default_dtype())
    return Batch(inputs, between(targets), None if batch.weights is None else between(batch.weights))
