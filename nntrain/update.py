"""One optimisation update: each objective's gradient, clipping, step, constraints."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.closure import Closure
from nntrain.device import Device
from nntrain.loss import Objective
from nntrain.optimizers import Optimizer
from nntrain.regularizers import Regularizer


class Measures(NamedTuple):
    """What an update saw, tensors of shape () on the device: loss plus penalties, and the gradient's norm."""

    objective: Tensor
    grad_norm: Tensor


class Update:
    """Knows no task: for each objective it takes the gradient over the micro-batches, clips it and steps.

    Clipping scales the gradient to norm `clip` where it is longer (Pascanu et al. 2013, arXiv:1211.5063).
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
        for optimizer in self.optimizers.values():
            optimizer.thaw(step)
        return {
            objective.name: self._minimise(objective, batches, factor)
            for objective in self.objectives
            if step % objective.every == 0
        }

    def _minimise(self, objective: Objective, batches: Sequence[Batch], factor: float) -> Measures:
        optimizer = self.optimizers[objective.name]
        closure = Closure(self.model, objective, optimizer.parameters, batches, self.regularizers, self.device)
        gradients, norm = closure.gradients, nn.utils.get_total_norm(closure.gradients)
        if self.clip is not None:
            gradients = list(torch._foreach_mul(gradients, self.clip / norm.clamp(min=self.clip)))
        optimizer.step(gradients, factor, closure)
        for regularizer in self.regularizers:
            regularizer.project()
        return Measures(closure.value, norm)
