"""A batch that went wrong, run again: where its numbers are not finite for the first time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch, tensors_in
from nntrain.checkpoint import load
from nntrain.closure import Closure
from nntrain.config import load as load_config
from nntrain.errors import UserError
from nntrain.loss import Loss, Objective
from nntrain.meter import Failure
from nntrain.parts import Parts
from nntrain.plan import plan
from nntrain.run import Run
from nntrain.sparse import Sparse
from nntrain.state import load_state
from nntrain.tables import Table


@dataclass
class Range:
    """What numbers were seen of something: the smallest and the largest that are finite, and how many are not."""

    count: int = 0
    not_finite: int = 0
    smallest: float = float("inf")
    largest: float = float("-inf")

    def see(self, tensor: Tensor) -> None:
        good = tensor[torch.isfinite(tensor)]
        self.count += tensor.numel()
        self.not_finite += tensor.numel() - good.numel()
        if good.numel():
            self.smallest, self.largest = min(self.smallest, float(good.min())), max(self.largest, float(good.max()))

    def __str__(self) -> str:
        if not self.count:
            return ""
        bad = f"{self.not_finite:,} of {self.count:,} not finite" if self.not_finite else ""
        seen = f"{self.smallest:.3g} to {self.largest:.3g}" if self.smallest <= self.largest else ""
        return ", ".join(filter(None, (seen, bad)))


@dataclass
class Replay:
    """What was seen of each layer in a batch, and what was the first that is not finite; None where all is."""

    outputs: dict[str, Range] = field(default_factory=dict)
    gradients: dict[str, Range] = field(default_factory=dict)
    first: str | None = None

    def see(self, what: str, tensor: Tensor, seen: Range | None = None) -> None:
        """Notes numbers as they come up."""
        tensor = tensor.detach()
        if not tensor.is_floating_point():
            return
        if self.first is None and not bool(torch.isfinite(tensor).all()):
            self.first = what
        if seen is not None:
            seen.see(tensor)

    def table(self) -> Table:
        rows = tuple((name, str(seen), str(self.gradients.get(name, ""))) for name, seen in self.outputs.items())
        return Table("the batch, layer by layer", ("layer", "outputs", "their gradients"), rows)

    def facts(self) -> dict[str, Any]:
        layers = {
            name: {"outputs": vars(seen), "gradients": vars(self.gradients[name]) if name in self.gradients else None}
            for name, seen in self.outputs.items()
        }
        return {"first": self.first, "layers": layers}


def replayed(parts: Parts, step: int, objective: str) -> Replay:
    """Runs the batch of a step again, for an objective, with the weights and the noise of that step."""
    replay = Replay()
    for name, parameter in parts.model.named_parameters():
        replay.see(f"the weights {name}", parameter)
    parts.model.train()
    parts.device.seed(parts.seed, 1, parts.stage, step)
    batches = next(parts.data.train.stream(parts.order.updates(step)))
    for batch, numbers in zip(batches, examples_of(parts, step), strict=True):
        _see_inputs(replay, batch, numbers)
    for optimizer in parts.optimizers.values():
        optimizer.thaw(step)
    due = [each for each in parts.task.objectives if step % each.every == 0]
    for other in due[: [each.name for each in due].index(objective)]:
        _closure(parts, other, batches)  # so that the noise is that of the step
    chosen = next(each for each in due if each.name == objective)
    with _watched(parts.model, replay):
        closure = _closure(parts, replace(chosen, loss=partial(_seen_loss, replay, chosen)), batches)
    replay.see("a penalty", closure.value)
    for name, gradient in zip(parts.optimizers[objective].names, closure.gradients, strict=True):
        replay.see(f"the gradient of {name}", gradient)
    replay.see("the gradient's norm, the squares being too large", nn.utils.get_total_norm(closure.gradients))
    return replay


def examples_of(parts: Parts, step: int) -> list[list[int]]:
    """The numbers, in the training set, of the examples of a step: a list for each of its batches."""
    return [numbers.tolist() for numbers in next(parts.order.updates(step))]


def record(parts: Parts, failure: Failure) -> dict[str, Any]:
    """What is kept of an update that was left out."""
    place = {"stage": parts.stage, "step": failure.step, "objective": failure.objective}
    return {**place, "seen": failure.what, "examples": examples_of(parts, failure.step)}


def replay_of(run: Run) -> tuple[dict[str, Any], Replay]:
    """What is kept of the batch that ended a run, which is run again; UserError where there is none."""
    kept = run.divergence()
    stored = load(run.checkpoints.diverged)
    stages = plan(load_config(run.config), reached=kept["stage"])
    parts = stages.parts(min(kept["stage"], len(stages) - 1))
    if kept["stage"] != parts.stage or kept["objective"] not in [o.name for o in parts.task.objectives]:
        raise UserError(f"{run.diverged} is of another config than {run.config}; there is no batch to replay")
    load_state(parts.model, stored.part("model"), run.checkpoints.diverged)
    return kept, replayed(parts, kept["step"], kept["objective"])


def _closure(parts: Parts, objective: Objective, batches: Sequence[Batch]) -> Closure:
    parameters = parts.optimizers[objective.name].parameters
    return Closure(parts.model, objective, parameters, batches, parts.regularizers, parts.device)


def _see_inputs(replay: Replay, batch: Batch, numbers: Sequence[int]) -> None:
    """Names the first example whose inputs or targets are not finite."""
    for what, tensors in (("inputs", batch.inputs), ("targets", batch.targets)):
        for tensor in _tensors(tensors):
            if len(tensor) == len(numbers):
                for number, row in zip(numbers, tensor, strict=True):
                    replay.see(f"the {what} of example {number} of the training set", row)
            else:
                replay.see(f"the {what}", tensor)


def _seen_loss(replay: Replay, objective: Objective, outputs: Any, batch: Batch) -> Loss:
    loss = objective.loss(outputs, batch)
    for name, term in loss.items():
        replay.see("the loss" if len(loss) == 1 else f"the loss's term {name}", term.sum)
    return loss


@contextmanager
def _watched(model: nn.Module, replay: Replay) -> Iterator[None]:
    """Lets a replay see what goes into each layer, what comes out, and the gradient of that."""
    handles = []
    for name, module in model.named_modules():
        called = name or "the network"
        handles.append(module.register_forward_pre_hook(partial(_see_arguments, replay, called)))
        handles.append(module.register_forward_hook(partial(_see_output, replay, called)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _see_arguments(replay: Replay, name: str, module: nn.Module, arguments: Any) -> None:
    for tensor in _tensors(arguments):
        replay.see(f"the inputs of {name}", tensor)


def _see_output(replay: Replay, name: str, module: nn.Module, arguments: Any, output: Any) -> None:
    for tensor in _tensors(output):
        replay.see(f"the outputs of {name}", tensor, replay.outputs.setdefault(name, Range()))
        if tensor.requires_grad:
            gradients = replay.gradients.setdefault(name, Range())
            tensor.register_hook(partial(_see_gradient, replay, name, gradients))  # type: ignore[no-untyped-call]


def _see_gradient(replay: Replay, name: str, gradients: Range, gradient: Tensor) -> None:
    replay.see(f"the gradient by the outputs of {name}", gradient, gradients)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in what is passed between layers."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return [] if isinstance(value, Sparse) else tensors_in(value)
