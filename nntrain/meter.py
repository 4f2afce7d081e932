"""Sums of what the steps measure, kept on the device until it is time to read them."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from nntrain.errors import RunError
from nntrain.update import Measures

REMEDIES = "try a lower optimizer.lr, a scheduler with warmup, or trainer.clip"


class DivergedError(RunError):
    """The objective or a gradient is no longer a finite number."""


class Meter:
    """Mean objective and gradient norm since the last reading, for each objective.

    With those of each layer, where they are measured, and the terms of the loss that are logged apart.
    """

    def __init__(
        self,
        layers: Mapping[str, Sequence[str]],
        device: torch.device,
        terms: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """`layers` names those whose gradients are measured, `terms` those of the loss, by the objective's name."""
        apart = {name: terms.get(name, ()) for name in layers}
        sizes = {name: ((), (), (len(found),), (len(apart[name]),)) for name, found in layers.items()}
        self._sums = {name: [torch.zeros(size, device=device) for size in found] for name, found in sizes.items()}
        self._updates = dict.fromkeys(layers, 0)
        prefixes = {name: "" if list(layers) == ["model"] else f"{name}/" for name in layers}
        self._tags = {
            name: [
                prefixes[name] + tag
                for tag in (
                    *("objective", "grad_norm"),
                    *(f"grad_norm/{layer}" for layer in found),
                    *(f"objective/{term}" for term in apart[name]),
                )
            ]
            for name, found in layers.items()
        }

    def add(self, measures: Mapping[str, Measures]) -> None:
        for name, seen in measures.items():
            torch._foreach_add_(self._sums[name], list(seen))
            self._updates[name] += 1

    def check(self, step: int) -> None:
        """DivergedError where a sum is not finite; waits for the device."""
        for name, sums in self._sums.items():
            for field, total in zip(Measures._fields[:2], torch.stack(sums[:2]).tolist(), strict=True):
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
                totals = zip(self._tags[name], _flat(sums).tolist(), strict=True)
                numbers.update({tag: total / self._updates[name] for tag, total in totals})
            for total in sums:
                total.zero_()
            self._updates[name] = 0
        return numbers

    def state(self) -> dict[str, Tensor]:
        return {
            name: torch.cat((_flat(sums), sums[0].new_full((1,), self._updates[name])))
            for name, sums in self._sums.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on with a state; sums of other layers, as the setting was changed meanwhile, are begun anew."""
        for name, sums in self._sums.items():
            stored, updates = state[name][:-1], state[name][-1]
            if len(stored) == len(self._tags[name]):
                for total, values in zip(sums, torch.split(stored, [total.numel() for total in sums]), strict=True):
                    total.copy_(values.view_as(total))
                self._updates[name] = int(updates)


def _flat(sums: Sequence[Tensor]) -> Tensor:
    return torch.cat([total.view(-1) for total in sums])
