"""The rule that tries: a network that cannot fit one small batch will not learn from many."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nntrain.batch import IGNORED, Batch
from nntrain.device import Device
from nntrain.layers import multiply_adds, trace
from nntrain.loss import Objective
from nntrain.optimizers import Optimizer
from nntrain.preflight.finding import Finding, applicable
from nntrain.preflight.first_batch import entropy
from nntrain.specs import Labels, Targets
from nntrain.update import Update

EXAMPLES = (32, 8)  # the second where the network is too large for the first
STEPS = 200
FEWEST_STEPS = 50
MULTIPLY_ADDS = 5e10  # of all forward passes: a few seconds on one core
FITTED = 0.5  # of the best constant guess's loss, for labels
MOVED = 0.95  # of the loss before, for values, which 32 examples and a small network may not fit
STALLED = 0.9  # the loss at the end, as a share of that halfway, above which it is falling no more
LEAST = 0.3  # the entropy of the labels below which a guess is as good
USUAL_RATES = (0.001, 0.01, 0.1)
HEAVY = 0.5  # dropout


@dataclass(frozen=True)
class Fit:
    """The loss in training mode before, halfway and after so many steps on one batch."""

    steps: int
    before: float
    halfway: float
    after: float


def fit_one_batch(
    model: nn.Module, objective: Objective, rule: Any, batch: Batch, device: Device, clip: float | None, steps: int
) -> Fit:
    """Trains a copy of the model on one batch, with the optimizer's own rate and no schedule or penalty."""
    model, rule = copy.deepcopy(model).train(), copy.deepcopy(rule)
    optimizers = {objective.name: Optimizer(rule, objective.part_of(model))}
    update = Update(model, [objective], optimizers, [], device, clip)
    losses = [update(0, [batch], 1.0)[objective.name].objective for _ in range(steps)]
    return Fit(steps, *(float(losses[i]) for i in (0, steps // 2, -1)))


def affordable_steps(model: nn.Module, batch: Batch) -> int:
    """How many steps the arithmetic of the network allows, at most STEPS."""
    work = multiply_adds(trace(copy.deepcopy(model), batch.inputs))
    return min(STEPS, int(MULTIPLY_ADDS / (3 * max(1, work))))


def one_batch(
    model: nn.Module,
    objective: Objective,
    rule: Any,
    batches: Sequence[Batch],
    targets: Targets,
    device: Device,
    clip: float | None,
    plain: Mapping[str, Any],
    other: str,
) -> Iterator[Finding]:
    """200 steps on 32 examples bring the loss below half of the best constant guess's.

    `batches` are such examples, and fewer for a large network.
    """
    steps, batch = next(
        ((steps, batch) for batch in batches if (steps := affordable_steps(model, batch)) >= FEWEST_STEPS),
        (0, batches[-1]),
    )
    guess = _guess(batch, targets)
    if guess is not None and guess < LEAST:
        return
    if steps == 0:
        yield Finding(
            "one_batch",
            "remark",
            f"whether the network can fit one batch was not tried: it is too large for {FEWEST_STEPS} steps in seconds",
            {"split": "train"},
        )
        return

    def tried(lr: float) -> Fit:
        changed = copy.deepcopy(rule)
        changed.lr = lr
        return fit_one_batch(model, objective, changed, batch, device, clip, steps)

    fit = tried(rule.lr)
    goal = MOVED * fit.before if guess is None else FITTED * guess
    if fit.after < goal:
        return
    is_heavy = any(isinstance(module, nn.Dropout) and module.p >= HEAVY for module in model.modules())
    is_falling = fit.after < STALLED * fit.halfway
    better = next((lr for lr in _nearest(rule.lr) if tried(lr).after < goal), None)
    if better is not None:
        cause = f"a learning rate that is too {'low' if better > rule.lr else 'high'}: {better:g} does it"
        confirm = applicable(plain, f"optimizer.lr={better:g}")
    else:
        cause, confirm = "a part of the network that is dead, frozen or not connected", (other,)
    yield Finding(
        "one_batch",
        "remark" if is_heavy or is_falling else "alarm",
        f"{steps} steps on the same {len(batch.targets)} examples brought the loss from {fit.before:.4g} to "
        f"{fit.after:.4g}; a network that learns gets below {goal:.4g}",
        {"split": "train", "step": steps},
        (cause,),
        confirm,
    )


def _nearest(lr: float) -> list[float]:
    """The usual rates that are not this one, the nearest first."""
    others = [usual for usual in USUAL_RATES if not math.isclose(usual, lr)]
    return sorted(others, key=lambda usual: abs(math.log(usual / lr)))


def _guess(batch: Batch, targets: Targets) -> float | None:
    """The loss of the best constant guess of the batch's labels; None for values."""
    if not isinstance(targets, Labels):
        return None
    labels = batch.targets.flatten()
    return entropy(torch.bincount(labels[(labels != IGNORED) & (labels >= 0)]))
