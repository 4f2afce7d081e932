"""What targets look like that are the objects in a picture, as many as there are."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

Kind = TypeVar("Kind", "Boxes", "Instances")


@dataclass(frozen=True)
class Boxes:
    """Targets that are `Objects`, of each its class and its box.

    most: how many objects the picture has that has the most; counts: of each class's objects in the training set
    """

    names: tuple[str, ...]
    most: int
    counts: tuple[int, ...] = ()
    plural: ClassVar[str] = "boxes of objects"
    task: ClassVar[str] = "detection"
    per_position: ClassVar[bool] = False
    is_made_whole: ClassVar[bool] = True  # by the model, and no head is put on one

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"boxes of up to {self.most} objects of {_classes(self.names)}"

    def strata(self, targets: Any) -> Tensor:
        return _one_stratum(targets)

    def learned_from(self, targets: Any) -> "Boxes":
        return _counted(self, targets)


@dataclass(frozen=True)
class Instances:
    """Targets that are `Objects`, of each its class, its box and its mask.

    most: how many objects the picture has that has the most; counts: of each class's objects in the training set
    """

    names: tuple[str, ...]
    most: int
    counts: tuple[int, ...] = ()
    plural: ClassVar[str] = "boxes and masks of objects"
    task: ClassVar[str] = "instance_segmentation"
    per_position: ClassVar[bool] = False
    is_made_whole: ClassVar[bool] = True  # by the model, and no head is put on one

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"boxes and masks of up to {self.most} objects of {_classes(self.names)}"

    def strata(self, targets: Any) -> Tensor:
        return _one_stratum(targets)

    def learned_from(self, targets: Any) -> "Instances":
        return _counted(self, targets)


def _classes(names: tuple[str, ...]) -> str:
    return f"{len(names)} classes" if len(names) > 1 else f"the class {names[0]}"


def _one_stratum(targets: Any) -> Tensor:
    return torch.zeros(len(targets.labels), dtype=torch.long)


def _counted(spec: Kind, targets: Any) -> Kind:
    labels = targets.labels[targets.are_there]
    return replace(spec, counts=tuple(torch.bincount(labels, minlength=len(spec.names)).tolist()))
