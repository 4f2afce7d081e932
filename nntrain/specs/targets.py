"""What targets look like."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from nntrain.specs.unlearned import Unlearned


@dataclass(frozen=True)
class Classes:
    """Targets of shape (batch,): the number of a class; `counts` says how many training examples each has."""

    names: tuple[str, ...]
    counts: tuple[int, ...] = ()
    plural: ClassVar[str] = "classes"
    task: ClassVar[str] = "classification"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"{len(self.names)} classes"

    def strata(self, targets: Tensor) -> Tensor:
        """The group of each example, shared out evenly between training, dev and test set: its class."""
        return targets

    def learned_from(self, targets: Tensor) -> "Classes":
        """The description with what is to be known of the training set."""
        return replace(self, counts=_counts(targets, len(self)))


@dataclass(frozen=True)
class LabelSet:
    """Targets of shape (batch, labels): 1 for every label that an example has, else 0; IGNORED where nobody knows.

    `counts` says how many training examples have each label, `known` of how many that is known.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    plural: ClassVar[str] = "sets of labels"
    task: ClassVar[str] = "multilabel"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def columns(self) -> int:
        return len(self)

    def __str__(self) -> str:
        return f"sets of {len(self.names)} labels"

    def strata(self, targets: Tensor) -> Tensor:
        """The group of each example: the rarest of its labels, or none."""
        has = targets == 1
        rank = has.sum(dim=0).argsort().argsort()  # 0 for the rarest
        return torch.where(has, rank, len(self)).amin(dim=1)

    def learned_from(self, targets: Tensor) -> "LabelSet":
        counts, known = ((targets == 1).sum(dim=0), (targets >= 0).sum(dim=0))
        return replace(self, counts=tuple(counts.tolist()), known=tuple(known.tolist()))


@dataclass(frozen=True)
class Tags(Unlearned):
    """Targets of shape (batch, time): the number of a class at every position, IGNORED where there is none.

    `counts` says at how many positions of the training set each class is.
    """

    names: tuple[str, ...]
    length: int
    counts: tuple[int, ...] = ()
    plural: ClassVar[str] = "tags"
    task: ClassVar[str] = "tagging"

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"{len(self.names)} tags, up to {self.length} in a row"

    def learned_from(self, targets: Tensor) -> "Tags":
        return replace(self, counts=_counts(targets, len(self)))


@dataclass(frozen=True)
class Mask(Unlearned):
    """Targets of shape (batch, height, width): the number of a class at every pixel, IGNORED where none counts.

    `counts` says how many pixels of the training set (of a part of it, where it is large) each class has.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...] = ()
    plural: ClassVar[str] = "masks (a class for every pixel)"
    task: ClassVar[str] = "segmentation"
    is_made_whole: ClassVar[bool] = True  # by the model itself: there is no head that makes it of a body's features

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"masks of {len(self.names)} classes"

    def learned_from(self, targets: Tensor) -> "Mask":
        return replace(self, counts=_counts(targets, len(self)))


@dataclass(frozen=True)
class ClassAndBox:
    """Targets of shape (batch, 5): the number of the class of the one object in a picture, and the box around it.

    A box is its left, top, right and bottom edge in pixels, from the left and from the top of the picture, whose
    height and width these are. What a model puts out are logits of the classes and four numbers of the box, side by
    side (batch, classes + 4); `counts` says how many training examples each class has.
    """

    names: tuple[str, ...]
    height: int
    width: int
    counts: tuple[int, ...] = ()
    plural: ClassVar[str] = "classes with a box"
    task: ClassVar[str] = "localization"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.names) + 4

    @property
    def columns(self) -> int:
        return 5

    def __str__(self) -> str:
        return f"{len(self.names)} classes, and a box"

    def part(self, name: str) -> Classes:
        """The description of the class alone."""
        if name != "class":
            raise KeyError(name)
        return Classes(self.names, self.counts)

    def by_name(self, targets: Tensor) -> dict[str, Tensor]:
        """The classes (batch,) and the boxes (batch, 4)."""
        return {"class": targets[:, 0].long(), "box": targets[:, 1:]}

    def strata(self, targets: Tensor) -> Tensor:
        """The group of each example: its class."""
        return targets[:, 0].long()

    def learned_from(self, targets: Tensor) -> "ClassAndBox":
        return replace(self, counts=_counts(targets[:, 0].long(), len(self.names)))


@dataclass(frozen=True)
class Transcripts(Unlearned):
    """Targets of shape (batch, length): the names that occur in a sequence, in their order but without their places.

    IGNORED stands behind the last of them.
    """

    names: tuple[str, ...]
    length: int
    plural: ClassVar[str] = "transcripts"
    task: ClassVar[str] = "transcription"

    @property
    def columns(self) -> int:
        return self.length

    def __str__(self) -> str:
        return f"transcripts of up to {self.length} of {len(self.names)} symbols"


@dataclass(frozen=True)
class Values:
    """Targets of shape (batch, values): real numbers, with the training set's mean and deviation of each."""

    names: tuple[str, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    plural: ClassVar[str] = "values (real numbers)"
    task: ClassVar[str] = "regression"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def columns(self) -> int:
        return len(self)

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


@dataclass(frozen=True)
class Links(Unlearned):
    """Targets of shape (batch,): 1 where two nodes of a graph are linked, 0 where they are not."""

    plural: ClassVar[str] = "links"
    task: ClassVar[str] = "link_prediction"

    def __str__(self) -> str:
        return "links between nodes"


@dataclass(frozen=True)
class Several:
    """Several targets of each example, side by side (batch, columns): classes take one column, others one a number.

    What a model puts out for them lies side by side too (batch, outputs).
    """

    names: tuple[str, ...]
    parts: tuple[Classes | LabelSet | Values, ...]
    plural: ClassVar[str] = "several targets"
    task: ClassVar[str] = "multi_task"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def columns(self) -> int:
        return sum(self._widths)

    @property
    def _widths(self) -> list[int]:
        return [1 if isinstance(part, Classes) else part.columns for part in self.parts]

    def __str__(self) -> str:
        return ", ".join(f"{name}: {part}" for name, part in zip(self.names, self.parts, strict=True))

    def part(self, name: str) -> Classes | LabelSet | Values:
        """The description of one of them."""
        return self.parts[self.names.index(name)]

    def by_name(self, targets: Tensor) -> dict[str, Tensor]:
        """The targets of each part as it describes them."""
        columns = torch.split(targets, self._widths, dim=1)
        return {
            name: _as_described(part, column)
            for name, part, column in zip(self.names, self.parts, columns, strict=True)
        }

    def outputs(self, outputs: Tensor) -> dict[str, Tensor]:
        """The outputs (batch, outputs) that are for each part."""
        return dict(zip(self.names, torch.split(outputs, [len(part) for part in self.parts], dim=1), strict=True))

    def strata(self, targets: Tensor) -> Tensor:
        """The group of each example: that of its first target."""
        return self.parts[0].strata(self.by_name(targets)[self.names[0]])

    def learned_from(self, targets: Tensor) -> "Several":
        pairs = zip(self.parts, self.by_name(targets).values(), strict=True)
        return replace(self, parts=tuple(part.learned_from(its) for part, its in pairs))


def _counts(labels: Tensor, classes: int) -> tuple[int, ...]:
    """How often each class occurs; what is of no class is not counted."""
    is_label = (labels >= 0) & (labels < classes)
    return tuple(torch.bincount(labels[is_label].flatten(), minlength=classes).tolist())


def _as_described(part: Classes | LabelSet | Values, columns: Tensor) -> Tensor:
    if isinstance(part, Values):
        return columns
    return columns.squeeze(1).long() if isinstance(part, Classes) else columns.long()
