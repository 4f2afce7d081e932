"""One optimisation update: objectives, counts, accumulation, penalties, clipping, precision, step."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.device import Device
from nntrain.loss import Counts, Objective
from nntrain.optimizers import Optimizer
from nntrain.regularizers import Regularizer


class Measures(NamedTuple):
    """What an update saw, tensors of shape () on the device: loss plus penalties, and the gradient's norm."""

    objective: Tensor
    grad_norm: Tensor


class Update:
    """Knows no task: for each objective it takes the gradient over the micro-batches, clips it and steps.

    objective = sum over terms of weight * sum / count + penalties, the counts being those of the whole update,
    so that uneven micro-batches give the gradient of one big batch. Clipping scales the gradient to norm `clip`
    where it is longer (Pascanu et al. 2013, arXiv:1211.5063).
    """

    def __init__(
        self,
        model: nn.Module,
        objectives: Sequence[Objective],
        optimizers: Mapping[str, Optimizer],
        regularizers: Sequence[Regularizer],
        device: Device,
        clip: float | None,
    ) -> None:
        self.model = model
        self.objectives = objectives
        self.optimizers = optimizers
        self.regularizers = regularizers
        self.device = device
        self.clip = clip

    def __call__(self, step: int, batches: Sequence[Batch], factor: float) -> dict[str, Measures]:
        """Update number `step`, with `factor` times the learning rates."""
        return {
            objective.name: self._minimise(objective, batches, factor)
            for objective in self.objectives
            if step % objective.every == 0
        }

    def _minimise(self, objective: Objective, batches: Sequence[Batch], factor: float) -> Measures:
        optimizer = self.optimizers[objective.name]
        counts = _total([objective.counts(batch) for batch in batches])
        value, gradients = self._gradient(objective, optimizer.parameters, batches[0], counts, with_penalty=True)
        # Gradients are never changed in place: autograd may give two parameters one and the same tensor.
        for batch in batches[1:]:
            more, others = self._gradient(objective, optimizer.parameters, batch, counts, with_penalty=False)
            value = value + more
            gradients = list(torch._foreach_add(gradients, others))
        norm = nn.utils.get_total_norm(gradients)
        if self.clip is not None:
            gradients = list(torch._foreach_mul(gradients, self.clip / norm.clamp(min=self.clip)))
        optimizer.step(gradients, factor)
        for regularizer in self.regularizers:
            regularizer.project()
        return Measures(value, norm)

    def _gradient(
        self,
        objective: Objective,
        parameters: Sequence[Tensor],
        batch: Batch,
        counts: Counts,
        with_penalty: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        """The batch's part of the objective, and its gradient (zeros where a parameter has no part in it)."""
        with self.device.precision():
            outputs = objective.outputs(self.model, batch)
            value = objective.loss(outputs, batch).over(counts)
        if with_penalty:
            for regularizer in self.regularizers:
                penalty = regularizer.penalty()
                value = value if penalty is None else value + penalty
        gradients = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        return value.detach(), list(gradients)


def _total(counts: Sequence[Counts]) -> Counts:
    return {name: sum(count[name] for count in counts) for name in counts[0]} if len(counts) > 1 else counts[0]
