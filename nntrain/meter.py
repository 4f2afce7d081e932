"""Sums of what the steps measure, kept on the device until it is time to read them."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from nntrain.errors import RunError
from nntrain.update import Measures

REMEDIES = "try a lower optimizer.lr, a scheduler with warmup, or trainer.clip"


class DivergedError(RunError):
    """The objective or a gradient is no longer a finite number."""


class Meter:
    """Mean objective and gradient norm since the last reading, for each objective."""

    def __init__(self, names: list[str], device: torch.device) -> None:
        self._sums = {name: [torch.zeros((), device=device) for _ in Measures._fields] for name in names}
        self._updates = dict.fromkeys(names, 0)
        self._prefix = {name: "" if names == ["model"] else f"{name}/" for name in names}

    def add(self, measures: Mapping[str, Measures]) -> None:
        for name, seen in measures.items():
            torch._foreach_add_(self._sums[name], list(seen))
            self._updates[name] += 1

    def check(self, step: int) -> None:
        """DivergedError where a sum is not finite; waits for the device."""
        for name, sums in self._sums.items():
            for field, total in zip(Measures._fields, torch.stack(sums).tolist(), strict=True):
                if not math.isfinite(total):
                    what = "the objective" if field == "objective" else "the gradient's norm"
                    of = "" if name == "model" else f" of {name}"
                    when = f"in the {self._updates[name]} steps up to step {step}"
                    raise DivergedError(f"diverged: {what}{of} became {total} {when}; {REMEDIES}")

    def read(self, step: int) -> dict[str, float]:
        """The means since the last reading, by tag; DivergedError where one is not finite."""
        self.check(step)
        numbers = {}
        for name, sums in self._sums.items():
            if self._updates[name]:
                for field, total in zip(Measures._fields, torch.stack(sums).tolist(), strict=True):
                    numbers[self._prefix[name] + field] = total / self._updates[name]
            for total in sums:
                total.zero_()
            self._updates[name] = 0
        return numbers

    def state(self) -> dict[str, Tensor]:
        return {
            name: torch.stack([*sums, sums[0].new_full((), self._updates[name])]) for name, sums in self._sums.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for name, sums in self._sums.items():
            *stored, updates = state[name]
            for total, value in zip(sums, stored, strict=True):
                total.copy_(value)
            self._updates[name] = int(updates)
