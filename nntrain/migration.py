"""Checkpoints of earlier formats, turned into one of today's, a format at a time."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
MOST_STEPS = 10_000_000  # between two readings of what they measured


def _from_1(tensors: Tensors) -> Tensors:
    """Of what the steps measured there were sums, and how many steps they are of; now each step has its own row."""
    sums = {name: tensor for name, tensor in tensors.items() if name.startswith("meter.")}
    if not sums:
        return tensors
    if not all(total.dim() == 1 and len(total) >= 3 and 0 <= total[-1] <= MOST_STEPS for total in sums.values()):
        raise ValueError("what its steps measured is not as format 1 has it")
    rows = {name: _rows(total[:-1].double(), int(total[-1])) for name, total in sums.items()}
    return {**tensors, **rows, "meter.left_out": torch.tensor(0)}


def _rows(sums: Tensor, steps: int) -> Tensor:
    """So many rows, a step's number and what it measured, that have these sums."""
    if steps == 0:
        return torch.empty(0, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), sums / steps]).repeat(steps, 1)


def _from_2(tensors: Tensors) -> Tensors:
    """The checksum is another one; the tensors are as they were."""
    return tensors


MIGRATIONS: Mapping[int, Callable[[Tensors], Tensors]] = {1: _from_1, 2: _from_2}
FORMAT = 1 + max(MIGRATIONS)


def migrated(tensors: Tensors, written: int) -> Tensors:
    """The tensors of a checkpoint that was written in this format, as today's has them."""
    for number in range(written, FORMAT):
        tensors = MIGRATIONS[number](tensors)
    return tensors
