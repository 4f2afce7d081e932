"""One optimisation update: each objective's gradient, clipping, step, constraints."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.clips import Clip, unclipped
from nntrain.closure import Closure
from nntrain.device import Device
from nntrain.gradient_norms import GradientNorms, NoGradientNorms
from nntrain.guard import Guard
from nntrain.loss import Objective
from nntrain.optimizers import Optimizer
from nntrain.out_of_memory import Oom, Pieces
from nntrain.regularizers import Regularizer


class Measures(NamedTuple):
    """What an update saw, on the device: loss plus penalties and the gradient's norm (), that of each layer's (n,)."""

    objective: Tensor
    grad_norm: Tensor
    layer_norms: Tensor


class Update:
    """Knows no task: for each objective it takes the gradient over the micro-batches, clips it and steps."""

    def __init__(
        self,
        model: nn.Module,
        objectives: Sequence[Objective],
        optimizers: Mapping[str, Optimizer],
        regularizers: Sequence[Regularizer],
        device: Device,
        clip: Clip = unclipped,
        by_layer: bool = False,
        most_left_out: int = 0,
        oom: Oom = "fail",
    ) -> None:
        self.model = model
        self.objectives = objectives
        self.optimizers = optimizers
        self.regularizers = regularizers
        self.device = device
        self.clip = clip(model)
        self.pieces = Pieces(oom, device)
        self.guard = Guard(model, most_left_out, device.torch)
        kind = GradientNorms if by_layer else NoGradientNorms
        self.norms = {name: kind(optimizer.all_names()) for name, optimizer in optimizers.items()}

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
        self.guard.keep()

        def made(pieces: Sequence[Batch]) -> Closure:
            return Closure(self.model, objective, optimizer.parameters, pieces, self.regularizers, self.device)

        closure = self.pieces(made, batches, self.guard.restore)
        norm = nn.utils.get_total_norm(closure.gradients)
        left_out = self.guard(closure.value, norm)
        layer_norms = self.norms[objective.name](optimizer.names, closure.gradients)
        gradients = self.clip(optimizer.parameters, closure.gradients, norm)
        optimizer.step(gradients, factor, closure, left_out)
        for regularizer in self.regularizers:
            regularizer.project()
        return Measures(closure.value, norm, layer_norms)
