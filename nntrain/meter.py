"""What the steps measure, kept on the device until it is time to read it; and what they could not measure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from nntrain.errors import RunError
from nntrain.update import Measures

REMEDIES = "try a lower optimizer.lr, a scheduler with warmup, or trainer.clip"
MOST_WAITING = 1000  # steps whose measures wait on the device
TOGETHER = 1000  # steps, from a multiple of it on, whose rows become one


class Failure(NamedTuple):
    """An update that was left out: how many steps there were before it, its objective, and what was seen."""

    step: int
    objective: str
    what: str


class DivergedError(RunError):
    """An objective, a gradient or a weight is no longer a finite number; `failure` is the update where it was seen."""

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = failure


@dataclass
class _Seen:
    """What the updates of one objective measured since the last reading: on the device, and as rows of numbers.

    A row is the number of a step, of how many steps it is (one, or some before it too), and their sums of the
    objective, the gradient's norm, that of each layer, and the terms of the loss.
    """

    waiting: list[tuple[int, Measures]] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)


class Meter:
    """Mean objective and gradient norm since the last reading, for each objective.

    With those of each layer, where they are measured, and the terms of the loss that are logged apart.
    Updates that were left out count in no mean; `left_out` is how many they are since the start of the stage.
    """

    def __init__(
        self,
        layers: Mapping[str, Sequence[str]],
        terms: Mapping[str, Sequence[str]] = MappingProxyType({}),
        most_left_out: int = 0,
    ) -> None:
        """`layers` names those whose gradients are measured, `terms` those of the loss, by the objective's name."""
        self.left_out = 0
        self._found: list[Failure] = []
        self._most = most_left_out
        self._seen = {name: _Seen() for name in layers}
        prefixes = {name: "" if list(layers) == ["model"] else f"{name}/" for name in layers}
        self._tags = {
            name: [
                prefixes[name] + tag
                for tag in (
                    *("objective", "grad_norm"),
                    *(f"grad_norm/{layer}" for layer in found),
                    *(f"objective/{term}" for term in terms.get(name, ())),
                )
            ]
            for name, found in layers.items()
        }

    def add(self, step: int, measures: Mapping[str, Measures]) -> None:
        """Takes in what the update after `step` others measured."""
        for name, measured in measures.items():
            self._seen[name].waiting.append((step, measured))
        if len(next(iter(self._seen.values())).waiting) >= MOST_WAITING:
            self._look()

    def check(self) -> list[Failure]:
        """The updates that were left out since the last check; DivergedError where they are too many.

        Waits for the device.
        """
        self._look()
        found = sorted(self._found, key=lambda failure: failure.step)
        self._found.clear()
        if self.left_out + len(found) > self._most:
            failure = found[self._most - self.left_out]
            raise DivergedError(f"diverged: {failure.what} in step {failure.step + 1}", failure)
        self.left_out += len(found)
        return found

    def read(self) -> dict[str, float]:
        """After a check: the means since the last reading, by tag."""
        numbers: dict[str, float] = {}
        for name, seen in self._seen.items():
            if seen.rows:
                _, counts, *columns = zip(*seen.rows, strict=True)
                means = (math.fsum(column) / sum(counts) for column in columns)
                numbers.update(zip(self._tags[name], means, strict=True))
            seen.rows.clear()
        return numbers

    def state(self) -> dict[str, Tensor]:
        """After a check: the rows that were not read yet, and how many updates were left out."""
        rows = {name: torch.tensor(seen.rows, dtype=torch.float64) for name, seen in self._seen.items()}
        return {**rows, "left_out": torch.tensor(self.left_out)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on with a state; means of other layers, as the setting was changed meanwhile, are begun anew."""
        self.left_out = int(state["left_out"])
        for name, seen in self._seen.items():
            if state[name].shape[1:] == (2 + len(self._tags[name]),):
                seen.rows = state[name].tolist()

    def _look(self) -> None:
        """Reads what waits on the device."""
        for name, seen in self._seen.items():
            for row in _rows(seen.waiting):
                if math.isfinite(row[2]) and math.isfinite(row[3]):
                    seen.rows.append(row)
                else:
                    self._found.append(_failure(name, row))
            seen.waiting.clear()
            seen.rows = _together(seen.rows)


def _rows(waiting: Sequence[tuple[int, Measures]]) -> list[list[float]]:
    if not waiting:
        return []
    steps, measured = zip(*waiting, strict=True)
    fields = [torch.stack(field) for field in zip(*measured, strict=True) if field[0].numel()]
    columns = torch.cat([field.view(len(steps), -1) for field in fields], dim=1)
    return [[step, 1, *row] for step, row in zip(steps, columns.double().tolist(), strict=True)]


def _together(rows: list[list[float]]) -> list[list[float]]:
    """One row of all those between two multiples of `TOGETHER`, but of the last ones, which others may follow.

    So the sums do not depend on when the rows were read.
    """
    if not rows or rows[0][0] // TOGETHER == rows[-1][0] // TOGETHER:
        return rows
    groups = [list(group) for _, group in groupby(rows, lambda row: row[0] // TOGETHER)]
    sums = [[group[-1][0], *map(math.fsum, list(zip(*group, strict=True))[1:])] for group in groups[:-1]]
    return [*sums, *groups[-1]]


def _failure(objective: str, row: Sequence[float]) -> Failure:
    is_loss = not math.isfinite(row[2])
    what = "the objective" if is_loss else "the gradient's norm"
    of = "" if objective == "model" else f" of {objective}"
    return Failure(int(row[0]), objective, f"{what}{of} became {row[2 if is_loss else 3]}")
