"""The rule that tries: a network that cannot fit one small batch will not learn from many."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nntrain.batch import IGNORED, Batch
from nntrain.clips import Clip, unclipped
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
    """The loss in training mode before, halfway and after some steps on one batch."""

    before: float
    halfway: float
    after: float


@dataclass(frozen=True)
class Trial:
    """A network that is to fit one batch with its own optimizer, without schedule or penalties."""

    model: nn.Module
    objective: Objective
    optimizer: Optimizer
    device: Device
    clip: Clip = unclipped

    def steps(self, batch: Batch) -> int:
        """How many steps the arithmetic of the network allows, at most STEPS."""
        work = multiply_adds(trace(copy.deepcopy(self.model), batch.inputs))
        return min(STEPS, int(MULTIPLY_ADDS / (3 * max(1, work))))

    def fit(self, batch: Batch, steps: int, lr: float) -> Fit:
        """Trains a copy of the network."""
        model = copy.deepcopy(self.model).train()
        optimizers = {self.objective.name: self.optimizer.renewed(self.objective.part_of(model), lr)}
        update = Update(model, [self.objective], optimizers, [], self.device, self.clip)
        losses = [update(0, [batch], 1.0)[self.objective.name].objective for _ in range(steps)]
        return Fit(*(float(losses[i]) for i in (0, steps // 2, -1)))


def one_batch(
    trial: Trial, batches: Sequence[Batch], targets: Targets, plain: Mapping[str, Any], other: str
) -> Iterator[Finding]:
    """200 steps on 32 examples bring the loss below half of the best constant guess's.

    `batches` are such examples, and fewer for a large network; `other` is a setting that changes the network.
    """
    affordable = ((trial.steps(batch), batch) for batch in batches)
    steps, batch = next((pair for pair in affordable if pair[0] >= FEWEST_STEPS), (0, batches[-1]))
    guess = _guess(batch, targets)
    if guess is not None and guess < LEAST:
        return
    if steps == 0:
        seen = (
            f"whether the network can fit one batch was not tried: it is too large for {FEWEST_STEPS} steps in seconds"
        )
        yield Finding("one_batch", "remark", seen, {"split": "train"})
        return
    lr = trial.optimizer.rule.lr
    fit = trial.fit(batch, steps, lr)
    goal = MOVED * fit.before if guess is None else FITTED * guess
    if fit.after < goal:
        return
    is_heavy = any(isinstance(module, nn.Dropout) and module.p >= HEAVY for module in trial.model.modules())
    is_falling = fit.after < STALLED * fit.halfway
    is_frozen = trial.optimizer.freezes()
    better = next((near for near in _nearest(lr) if trial.fit(batch, steps, near).after < goal), None)
    yield Finding(
        "one_batch",
        "remark" if is_heavy or is_falling or is_frozen else "alarm",
        f"{steps} steps on the same {batch.examples} examples brought the loss from {fit.before:.4g} to "
        f"{fit.after:.4g}; a network that learns gets below {goal:.4g}",
        {"split": "train", "step": steps},
        (_cause(lr, better),),
        (other,) if better is None else applicable(plain, f"optimizer.lr={better:g}"),
    )


def _cause(lr: float, better: float | None) -> str:
    if better is None:
        return "a part of the network that is dead, frozen or not connected"
    return f"a learning rate that is too {'low' if better > lr else 'high'}: {better:g} does it"


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
