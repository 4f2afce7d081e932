"""One pass over a split: states of the metrics, merged over its batches."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.data import Split
from nntrain.device import Device
from nntrain.loss import Counts, Loss
from nntrain.metrics import Metric
from nntrain.tables import Table
from nntrain.tasks import Detail, Look, Task

Numbers = dict[str, float]


@dataclass(frozen=True)
class Measured:
    """What a pass over a split gave."""

    examples: int
    numbers: Numbers
    tables: list[Table]


def evaluate(
    model: nn.Module,
    task: Task,
    split: Split,
    metrics: Mapping[str, Metric],
    device: Device,
    details: Mapping[str, Detail] | None = None,
    is_thorough: bool = False,
) -> Measured:
    """Measures a model on a split, in eval mode; the model's mode is left as it was found.

    What takes long is measured of some examples only, unless it is to be thorough.
    """
    measures: dict[str, Metric | Detail] = {**metrics, **(details or {})}
    states: dict[str, Any] = {}
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for look, batch in _looks(task, split, is_thorough):
            with device.precision():
                outcome = look(model, batch)
            for name, measure in measures.items():
                _merge(states, name, measure.measure(outcome.predictions, outcome.targets))
            if outcome.loss is not None:
                _merge(states, "loss", _loss_state(outcome.loss, outcome.counts))
                weights = [term.weight for term in outcome.loss.values()]
            if outcome.apart:
                _merge(states, "apart", _loss_state(outcome.apart, outcome.counts))
    model.train(was_training)

    numbers = {"loss": _mean_loss(states.pop("loss"), weights)} if "loss" in states else {}
    numbers |= {name: metric.value(states[name]) for name, metric in metrics.items()}
    if "apart" in states:
        names = (f"loss/{name}" for name in outcome.apart)
        numbers |= {name: _mean(*state) for name, state in zip(names, states.pop("apart").tolist(), strict=True)}
    tables = [table for name, detail in (details or {}).items() for table in detail.tables(states[name])]
    return Measured(len(split), numbers, tables)


def _looks(task: Task, split: Split, is_thorough: bool) -> Iterator[tuple[Look, Batch]]:
    """Batches, each with how it is looked at."""
    for look, examples in ((task.evaluate, split), *task.further(split, is_thorough)):
        for batch in examples.in_order():
            yield look, batch


def _merge(states: dict[str, Any], name: str, state: Any) -> None:
    if state is not None:
        states[name] = states[name] + state if name in states else state


def _loss_state(loss: Loss, counts: Counts) -> Tensor:
    """Sum and count of each term of a loss, (terms, 2)."""
    sums = torch.stack([term.sum.double() for term in loss.values()])
    return torch.stack((sums, torch.stack([torch.as_tensor(counts[name]).to(sums) for name in loss])), dim=1)


def _mean_loss(state: Tensor, weights: list[float]) -> float:
    return sum(weight * _mean(*term) for weight, term in zip(weights, state.tolist(), strict=True))


def _mean(total: float, count: float) -> float:
    return total / count if count else math.nan
