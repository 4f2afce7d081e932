"""What data looks like: the kinds of inputs and targets, which models, losses and metrics declare to take.

A description travels in the checkpoint as JSON, so that a trained model can be used without its training data.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from nntrain.errors import UnfitError


@dataclass(frozen=True)
class Vector:
    """Inputs of shape (batch, features)."""

    features: int
    plural: ClassVar[str] = "vectors"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)

    def __str__(self) -> str:
        return f"vectors of {self.features} features"


@dataclass(frozen=True)
class Image:
    """Inputs of shape (batch, channels, height, width)."""

    channels: int
    height: int
    width: int
    plural: ClassVar[str] = "images (channels, height, width)"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)

    def __str__(self) -> str:
        return f"images of shape ({self.channels}, {self.height}, {self.width})"


@dataclass(frozen=True)
class Classes:
    """Targets of shape (batch,): the number of a class."""

    names: tuple[str, ...]
    plural: ClassVar[str] = "classes"
    task: ClassVar[str] = "classification"

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"{len(self.names)} classes"

    def strata(self, targets: Tensor) -> Tensor:
        """The group of each example, shared out evenly between training, dev and test set: its class."""
        return targets

    def learned_from(self, targets: Tensor) -> "Classes":
        """The description with what is to be known of the training set."""
        return self

    def statistics(self) -> dict[str, Tensor]:
        """What was learned from the training set, for the checkpoint."""
        return {}

    def restored(self, stored: Mapping[str, Tensor]) -> "Classes":
        """The description with what a checkpoint has of `statistics`."""
        return self


@dataclass(frozen=True)
class Values:
    """Targets of shape (batch, values): real numbers, with the training set's mean and deviation of each."""

    names: tuple[str, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    plural: ClassVar[str] = "values (real numbers)"
    task: ClassVar[str] = "regression"

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return "one value" if len(self.names) == 1 else f"{len(self.names)} values"

    def strata(self, targets: Tensor, quantiles: int = 10) -> Tensor:
        """The group of each example: its decile of the first value."""
        ranks = targets[:, 0].argsort(stable=True).argsort(stable=True)
        return ranks * quantiles // len(targets)

    def learned_from(self, targets: Tensor) -> "Values":
        """The description with the mean and deviation of the training set's values."""
        deviation, mean = torch.std_mean(targets.double(), dim=0, correction=0)
        deviation = torch.where(deviation > 0, deviation, 1.0)
        return replace(self, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))

    def statistics(self) -> dict[str, Tensor]:
        """What was learned from the training set, for the checkpoint."""
        named = {"target_mean": self.mean, "target_deviation": self.deviation}
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in named.items()}

    def restored(self, stored: Mapping[str, Tensor]) -> "Values":
        """The description with what a checkpoint has of `statistics`; UnfitError where that is of other targets."""
        mean, deviation = (stored.get(name, torch.empty(0)) for name in ("target_mean", "target_deviation"))
        if len(mean) != len(self) or len(deviation) != len(self):
            raise UnfitError("the checkpoint was trained on other targets")
        return replace(self, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


Inputs = Vector | Image
Targets = Classes | Values
_TYPES: dict[str, Any] = {cls.__name__: cls for cls in (Vector, Image, Classes, Values)}


def to_json(spec: Inputs | Targets) -> dict[str, Any]:
    return {"type": type(spec).__name__, **asdict(spec)}


def from_json(fields: dict[str, Any]) -> Any:
    """The description that `to_json` wrote; KeyError or TypeError for anything else."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "type"}
    return _TYPES[fields["type"]](**values)
