"""The numbers of a split by feature: least, mean, deviation, greatest, and how many are none."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nntrain.preflight.examples import by_feature


@dataclass(frozen=True)
class Moments:
    """Of each feature (features,), float64; `missing` counts what is no finite number."""

    count: Tensor
    mean: Tensor
    squares: Tensor  # sum of (x - mean)^2
    least: Tensor
    greatest: Tensor
    missing: Tensor

    @staticmethod
    def of(values: Tensor) -> "Moments":
        """Of rows of numbers (times, features)."""
        values = values.double()
        is_number = torch.isfinite(values)
        count = is_number.sum(0)
        known = torch.where(is_number, values, 0.0)
        mean = known.sum(0) / count.clamp(min=1)
        squares = torch.where(is_number, (values - mean).square(), 0.0).sum(0)
        least = torch.where(is_number, values, torch.inf).amin(0)
        greatest = torch.where(is_number, values, -torch.inf).amax(0)
        return Moments(count, mean, squares, least, greatest, len(values) - count)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both together (Chan, Golub, LeVeque 1979)."""
        count = self.count + other.count
        share = other.count / count.clamp(min=1)
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * share,
            self.squares + other.squares + apart.square() * self.count * share,
            torch.minimum(self.least, other.least),
            torch.maximum(self.greatest, other.greatest),
            self.missing + other.missing,
        )

    def by_name(self) -> list[dict[str, float | int]]:
        """One entry for each feature."""
        columns = {
            "least": self.least,
            "mean": self.mean,
            "deviation": (self.squares / self.count.clamp(min=1)).sqrt(),
            "greatest": self.greatest,
            "missing": self.missing,
        }
        listed = {name: column.tolist() for name, column in columns.items()}
        return [dict(zip(listed, row, strict=True)) for row in zip(*listed.values(), strict=True)]


def moments(parts: Iterable[Any]) -> Moments | None:
    """Of the inputs of all batches together; None where they are no real numbers."""
    total: Moments | None = None
    for inputs in parts:
        values = by_feature(inputs)
        if values is None:
            return None
        found = Moments.of(values)
        total = found if total is None else total + found
    return total
