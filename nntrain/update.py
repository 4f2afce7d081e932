"""One optimisation update: each objective's gradient, clipping, step, constraints."""

import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.capture import Captured, Wanted
from nntrain.capture.compiled import Compiled
from nntrain.capture.proof import Look
from nntrain.clips import Clip, unclipped
from nntrain.closure import Closure
from nntrain.device import Device
from nntrain.gradient_norms import GradientNorms, NoGradientNorms
from nntrain.guard import Guard, Verdict
from nntrain.loss import Objective
from nntrain.optimizers import Optimizer
from nntrain.out_of_memory import Oom, Pieces
from nntrain.regularizers import Regularizer


class Measures(NamedTuple):
    """What an update saw, on the device: loss plus penalties and the gradient's norm (), that of each layer's (n,).

    terms: of the loss, those that are logged apart (n,)
    """

    objective: Tensor
    grad_norm: Tensor
    layer_norms: Tensor
    terms: Tensor


MEASURES = len(Verdict._fields) + len(Measures._fields)  # tensors that an update gives before the gradient


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
        capture: Wanted | Literal["compile"] = False,
        most_left_out: int = 0,
        oom: Oom = "fail",
    ) -> None:
        self.model = model
        self.objectives = objectives
        self.optimizers = optimizers
        self.regularizers = regularizers
        self.device = device
        self.clip = clip(model)
        self.guard = Guard(model, most_left_out, device.torch)
        self.pieces = Pieces(oom, device)
        kind = GradientNorms if by_layer else NoGradientNorms
        self.norms = {name: kind(optimizer.all_names()) for name, optimizer in optimizers.items()}
        itself: Any = weakref.proxy(self)  # else both would stay, with the model, until cycles are looked for
        self.captured = {o.name: self._captured(partial(Update._seen, itself, o), o.name, capture) for o in objectives}

    def __call__(self, step: int, batches: Sequence[Batch], factor: float) -> dict[str, Measures]:
        """Update number `step`, with `factor` times the learning rates."""
        for optimizer in self.optimizers.values():
            optimizer.thaw(step)
        return {
            objective.name: self._minimise(objective, batches, factor)
            for objective in self.objectives
            if step % objective.every == 0
        }

    def is_settled(self) -> bool:
        """Whether steps are done from here on as they are now: captured, or not."""
        return all(captured.is_settled for captured in self.captured.values())

    def calls_apart(self) -> int:
        """How many times a step took longer than others, as its way was made or proven in it."""
        return sum(captured.calls_apart for captured in self.captured.values())

    def _minimise(self, objective: Objective, batches: Sequence[Batch], factor: float) -> Measures:
        self.guard.keep()
        found, closure = self.pieces(partial(self._look, objective), batches, self.guard.restore)
        left_out, made, *measures = found[:MEASURES]
        self.optimizers[objective.name].step(found[MEASURES:], factor, closure, Verdict(left_out, made))
        for regularizer in self.regularizers:
            regularizer.project()
        return Measures(*measures)

    def _look(self, objective: Objective, batches: Sequence[Batch]) -> tuple[list[Tensor], Closure | None]:
        """Verdict, measures and gradient; and the closure, for a rule that looks again."""
        optimizer = self.optimizers[objective.name]
        if not optimizer.looks_again:
            # What another objective trains changes this one too: frozen normalisation is another computation.
            trained = tuple(each.names for each in self.optimizers.values())
            return self.captured[objective.name](batches, trained), None
        closure = self._closure(objective, batches)
        return self._measured(objective, closure), closure

    def _captured(self, look: Look, name: str, wanted: Wanted | Literal["compile"]) -> Captured | Compiled:
        changing = nn.ModuleList([self.model, self.guard])
        if wanted == "compile":
            return Compiled(look, changing, self.device)
        captured = Captured(look, changing, self.device, wanted)
        if wanted and self.optimizers[name].looks_again:
            captured.reason = "the optimizer looks at more than one point in a step"
        return captured

    def _seen(self, objective: Objective, batches: Sequence[Batch]) -> list[Tensor]:
        return self._measured(objective, self._closure(objective, batches))

    def _measured(self, objective: Objective, closure: Closure) -> list[Tensor]:
        """Verdict, measures, and the gradient, clipped: tensors alone, so that it can be captured."""
        optimizer = self.optimizers[objective.name]
        norm = nn.utils.get_total_norm(closure.gradients)
        layer_norms = self.norms[objective.name](optimizer.names, closure.gradients)
        gradients = optimizer.laid_out(self.clip(optimizer.parameters, closure.gradients, norm))
        verdict = self.guard(closure.value, norm)
        return [*verdict, *Measures(closure.value, norm, layer_norms, closure.terms), *gradients]

    def _closure(self, objective: Objective, batches: Sequence[Batch]) -> Closure:
        parameters = self.optimizers[objective.name].parameters
        return Closure(self.model, objective, parameters, batches, self.regularizers, self.device)
