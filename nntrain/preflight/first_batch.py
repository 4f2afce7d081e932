"""Rules on the first step's batch: its loss, its outputs, and which parameters its gradient reaches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.attempts import reason
from nntrain.batch import Batch
from nntrain.device import Device
from nntrain.errors import UserError
from nntrain.loss import Objective
from nntrain.network import kept
from nntrain.out_of_memory import is_out_of_memory
from nntrain.preflight.finding import Finding, applicable
from nntrain.snapshot import unchanged
from nntrain.specs import Labels, Targets, Values

OFF = 0.75  # between the first loss and that of guessing (a linear model of few features reaches 0.68), or
OFF_SHARE = 0.25  # of that loss
OFF_VALUES = 2.5  # times the loss of guessing the values' mean
SURE = 1e-4  # how near to 1 the sums of rows of probabilities are
SAME = 1e-6  # the deviation of outputs between examples, as a share of their size, below which they are all one
FITTED = 0.1  # the share of a guess's loss below which a gradient may vanish


@dataclass(frozen=True)
class FirstPass:
    """What a forward pass gave; `constant` are layers that tell no examples apart."""

    outputs: Any
    loss: float
    guessing: float | None  # the loss of outputs that are all zero; None where that is no guess
    constant: Sequence[str]


@dataclass(frozen=True)
class Backward:
    """What a forward and a backward pass gave: the loss, that of guessing, and gradients by the parameter's name."""

    loss: float
    guessing: float | None
    gradients: Mapping[str, Tensor | None]  # None where the loss does not depend on the parameter


def first_pass(model: nn.Module, objective: Objective, batch: Batch, device: Device) -> FirstPass:
    """Sends a batch through; UserError where that fails, as of a large network only some examples were tried before."""
    constant: list[str] = []
    hooks = [m.register_forward_hook(_watch(name, constant)) for name, m in model.named_modules() if _is_layer(m)]
    try:
        with torch.no_grad():
            outputs, loss = _forward(model, objective, batch, device)
    except Exception as error:
        if is_out_of_memory(error):  # which a run may go on from, with smaller pieces
            raise
        raise UserError(f"model: the first batch of {batch.examples} examples fails: {reason(error)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    return FirstPass(outputs, float(loss), _guessing(objective, outputs, batch), constant)


def backward(model: nn.Module, objective: Objective, batch: Batch, device: Device) -> Backward:
    """Sends a batch through and back; the gradients are returned and left nowhere, the buffers as they were."""
    trained = {name: p for name, p in objective.part_of(model).named_parameters() if p.requires_grad}
    with unchanged(model, device):
        outputs, loss = _forward(model, objective, batch, device)
        gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True) if loss.requires_grad else ()
    reached = dict(zip(trained, gradients or [None] * len(trained), strict=True))
    return Backward(float(loss.detach()), _guessing(objective, outputs, batch), reached)


def _forward(model: nn.Module, objective: Objective, batch: Batch, device: Device) -> tuple[Any, Tensor]:
    """The outputs and their loss."""
    with device.precision():
        outputs = objective.outputs(model, batch)
        return outputs, objective.loss(outputs, batch).over(objective.counts(batch))


def first_loss(found: FirstPass, targets: Targets, prior: float | None, plain: Mapping[str, Any]) -> Iterator[Finding]:
    """An untrained network's loss is that of guessing: ln(classes), or the variance of the values.

    `prior` is the entropy of the labels, where a network with a well chosen bias starts.
    """
    if found.guessing is None:
        return
    if isinstance(targets, Values):
        allowed = OFF_VALUES * max(found.guessing, 1.0)
        is_off, spoken = not found.loss <= allowed, f"at most {allowed:.2g}"
    else:
        guesses = [found.guessing] if prior is None else [found.guessing, prior]
        is_off = all(not abs(found.loss - guess) <= max(OFF, OFF_SHARE * guess) for guess in guesses)
        spoken = f"give or take {max(OFF, OFF_SHARE * found.guessing):.2g}"
    if is_off:
        is_high = not found.loss < found.guessing
        standardize = applicable(plain, "data.standardize=true")
        large = ("inputs that are too large",) if standardize else ()
        yield Finding(
            "first_loss",
            "alarm",
            f"the first loss is {found.loss:.4g}; an untrained network's is near {found.guessing:.4g}, {spoken}",
            {"split": "train", "step": 0},
            (*large, "initial weights that are too large", "a loss that does not fit the outputs")
            if is_high
            else ("weights that are trained already", "labels that the inputs give away"),
            standardize if is_high and standardize else applicable(plain, "seed=1", "seed=2"),
        )


def outputs_fit_loss(found: FirstPass, targets: Targets, plain: Mapping[str, Any], other: str) -> Iterator[Finding]:
    """Cross-entropy takes one logit for each class, of either sign: it takes the softmax itself.

    `other` is a setting that changes the network, here and below: what it ends is the network's fault.
    """
    loss_name = (plain["task"].get("loss") or {}).get("type")
    if loss_name != "cross_entropy" or not isinstance(found.outputs, Tensor) or not isinstance(targets, Labels):
        return
    outputs = found.outputs.float().flatten(0, -2)
    is_never_negative = bool((outputs >= 0).all())
    if outputs.shape[1] != len(targets):
        seen = f"the model has {outputs.shape[1]} outputs, but there are {len(targets)} classes"
        cause = "a model with outputs of its own that does not read the number of classes"
    elif is_never_negative and bool(((outputs.sum(dim=1) - 1).abs() < SURE).all()):
        seen = "the model's outputs are probabilities (at least 0, each row's sum is 1), but cross-entropy takes logits"
        cause = "a softmax at the end of the model; leave it out"
    elif is_never_negative and bool((outputs == 0).any()) and bool(outputs.any()):
        seen = "the model's outputs are never negative, and some are exactly 0, but cross-entropy takes logits"
        cause = "a ReLU at the end of the model; leave it out"
    else:
        return
    yield Finding("outputs_fit_loss", "alarm", seen, {"layer": "outputs"}, (cause,), (other,))


def input_dependence(found: FirstPass, model: nn.Module, other: str) -> Iterator[Finding]:
    """Different examples have different outputs; a last layer that starts at zero is all right."""
    outputs = found.outputs
    if not isinstance(outputs, Tensor) or len(outputs) < 2 or not _are_same(outputs) or not found.constant:
        return
    layer = found.constant[0]
    weights = [p for p in model.get_submodule(layer).parameters() if p.dim() > 1]
    is_last = layer == found.constant[-1]
    if is_last and weights and not any(bool(p.any()) for p in weights):
        return
    yield Finding(
        "input_dependence",
        "alarm",
        f"the outputs do not depend on the inputs: from {layer} on, all examples look the same",
        {"layer": layer},
        ("units that are dead or saturated", "weights that are zero", "inputs that are all the same"),
        (other,),
    )


def gradients(found: Backward, other: str) -> Iterator[Finding]:
    """The loss depends on every trained parameter, and some weight can reduce it."""
    unreached = [name for name, gradient in found.gradients.items() if gradient is None]
    if unreached:
        more = f" and {len(unreached) - 1} more" if len(unreached) > 1 else ""
        yield Finding(
            "gradients",
            "alarm",
            f"the loss does not depend on {unreached[0]}{more}: no gradient reaches it, and it will not be trained",
            {"parameter": unreached[0]},
            ("a layer that forward() never calls", "a detach() or no_grad() in forward()"),
            (other,),
        )
        return
    weights = [g for g in found.gradients.values() if g is not None and g.dim() > 1]
    if weights and not any(bool(g.any()) for g in weights) and found.loss > FITTED * (found.guessing or 0.0):
        yield Finding(
            "gradients",
            "alarm",
            f"the gradient of all {len(weights)} weights is exactly 0 at a loss of {found.loss:.4g}",
            {"split": "train", "step": 0},
            ("units that are all dead or saturated", "weights that are all zero"),
            (other,),
        )


def frozen(model: nn.Module, other: str) -> Iterator[Finding]:
    """Every weight is trained; the model itself freezes none but those that it keeps for the sake of others."""
    meant = kept(model)
    still = [(name, p) for name, p in model.named_parameters() if not p.requires_grad and p not in meant]
    if still:
        numbers = sum(p.numel() for _, p in still)
        everything = sum(p.numel() for p in model.parameters())
        yield Finding(
            "frozen",
            "alarm",
            f"{len(still)} tensors with {numbers / everything:.0%} of the parameters are frozen by the model itself",
            {"parameter": still[0][0]},
            ("requires_grad = False that was left in the model",),
            (other,),
        )


def _is_layer(module: nn.Module) -> bool:
    return not list(module.children())


def _watch(name: str, constant: list[str]) -> Any:
    def watch(module: nn.Module, arguments: Any, output: Any) -> None:
        out = output[0] if isinstance(output, tuple) else output
        if isinstance(out, Tensor) and out.dim() and len(out) > 1 and out.numel() and _are_same(out):
            constant.append(name)

    return watch


def _are_same(outputs: Tensor) -> bool:
    """Whether the outputs of all examples are one; two of them tell it where they are not."""
    rows = outputs.float().reshape(len(outputs), -1)
    allowed = SAME * torch.stack(rows.aminmax()).abs().amax()
    return all(bool(((some - rows[:1]).abs().amax() <= allowed).all()) for some in (rows[1:2], rows))


def _guessing(objective: Objective, outputs: Any, batch: Batch) -> float | None:
    """The loss of equally likely classes, or of the training set's mean where values are standardised."""
    if not isinstance(outputs, Tensor):
        return None
    with torch.no_grad():
        return float(objective.loss(torch.zeros_like(outputs), batch).over(objective.counts(batch)))


def entropy(counts: Tensor) -> float:
    """The entropy in nats of labels with these counts: the loss of the best constant guess."""
    shares = counts[counts > 0].double() / counts.sum()
    return float(-(shares * shares.log()).sum())
