"""What a checkpoint holds of a run: the trained model, and everything that going on depends on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.checkpoint import Checkpoint, Position
from nntrain.device import python_state, restore_python
from nntrain.errors import UserError
from nntrain.guard import Guard
from nntrain.layers import multiply_adds
from nntrain.meter import DivergedError, Meter
from nntrain.parts import Parts
from nntrain.specs import to_json


def trained(parts: Parts, step: int) -> Checkpoint:
    """The trained model, with all that is needed to use it without its training data."""
    tensors = {f"model.{name}": tensor for name, tensor in parts.model.state_dict().items()}
    learned = parts.data.learned
    tensors |= {f"data.{name}": tensor for name, tensor in learned.tensors.items()}
    facts = {
        "config": parts.config,
        "position": {"stage": parts.stage, "step": step},
        "inputs": to_json(learned.inputs),
        "targets": to_json(learned.targets),
        "learned": dict(learned.facts),
        "multiply_adds": multiply_adds(parts.layers, parts.data.batch_size),
    }
    return Checkpoint(tensors, facts)


def whole(parts: Parts, step: int, meter: Meter) -> Checkpoint:
    """The model after the last step, its average, the optimizers' state, sums not logged yet, Python's generators.

    torch's generators are seeded anew at every step, so they need not be kept.
    """
    checkpoint = trained(parts, step)
    for name, optimizer in parts.optimizers.items():
        checkpoint.tensors.update({f"optimizer.{name}.{key}": tensor for key, tensor in optimizer.state().items()})
    checkpoint.tensors.update({f"average.{name}": tensor for name, tensor in parts.average.state().items()})
    checkpoint.tensors.update({f"meter.{name}": tensor for name, tensor in meter.state().items()})
    checkpoint.tensors.update({f"random.{name}": tensor for name, tensor in python_state().items()})
    return checkpoint


def bytes_of(parts: Parts) -> int:
    """About how much a checkpoint takes."""
    states = [optimizer.state() for optimizer in parts.optimizers.values()]
    tensors = [*parts.model.state_dict().values(), *parts.average.means(), *(t for s in states for t in s.values())]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def restore(stored: Checkpoint, parts: Parts, guard: Guard, meter: Meter, source: Path) -> None:
    """Puts everything back to what `whole` saw; UserError where it is the state of other parts."""
    load_state(parts.model, stored.part("model"), source)
    for name, optimizer in parts.optimizers.items():
        optimizer.restore(stored.part(f"optimizer.{name}"))
    parts.average.restore(stored.part("average"))
    meter.restore(stored.part("meter"))
    guard.failures.fill_(meter.left_out)
    restore_python(stored.part("random"))


def position_of(stored: Checkpoint, source: Path) -> Position:
    """The stage and the step that a checkpoint is of; UserError where it does not say."""
    position = stored.facts.get("position")
    if not isinstance(position, dict) or not _are_counts(position.get("stage"), position.get("step")):
        raise UserError(f"{source} does not say what stage and step it is of, so it is not a state of nntrain's")
    return position


def facts_of(stored: Checkpoint | None) -> dict[str, Any]:
    """What a checkpoint says beside its tensors; UserError where it is no state to go on from."""
    if stored is None:
        return {}
    facts = stored.facts
    if "curves" not in facts:
        raise UserError("the checkpoint holds a trained model, but not the state of a run to go on with")
    if not _are_counts(facts.get("returns", 0), facts.get("pieces", 1), *facts.get("lengths", {}).values()):
        raise UserError("the checkpoint holds numbers that no state of a run has; start a new run")
    return facts


def _are_counts(*values: object) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)


def check_finite(checkpoint: Checkpoint, parts: Parts, step: int) -> None:
    """DivergedError where a weight or the optimizer's state is no longer finite, or a buffer no longer a number.

    A buffer may be infinite, as a mask is.
    """
    weights = {f"model.{name}" for name, _ in parts.model.named_parameters()}
    for name, tensor in checkpoint.tensors.items():
        if (name in weights or name.startswith("optimizer.")) and not bool(torch.isfinite(tensor).all()):
            raise DivergedError(f"diverged: {name} is no longer finite after step {step}")
        if name.startswith("model.") and bool(torch.isnan(tensor).any()):
            raise DivergedError(f"diverged: {name} is no longer a number after step {step}")


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Loads a checkpoint's weights; UserError where they are of another network."""
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise UserError(f"{source}: its weights are not of this network: {first}") from None
