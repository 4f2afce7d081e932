"""What data looks like: the kinds of inputs and targets, which models, losses and metrics declare to take.

A description travels in the checkpoint as JSON, so that a trained model can be used without its training data.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Vector:
    """Inputs of shape (batch, features): numbers, and after them flags.

    Flags are 0 or 1 and stand in groups, whose sizes are `groups`: of each at most one is 1, such as the category
    that a column of a table names.
    """

    features: int
    groups: tuple[int, ...] = ()
    plural: ClassVar[str] = "vectors"

    @property
    def flags(self) -> int:
        return sum(self.groups)

    @property
    def numbers(self) -> int:
        return self.features - self.flags

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)

    def __str__(self) -> str:
        flags = f", {self.flags} of them flags in {len(self.groups)} groups" if self.groups else ""
        return f"vectors of {self.features} features{flags}"


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
class Video:
    """Inputs of shape (batch, channels, frames, height, width)."""

    channels: int
    frames: int
    height: int
    width: int
    plural: ClassVar[str] = "videos (channels, frames, height, width)"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.frames, self.height, self.width)

    def __str__(self) -> str:
        return f"videos of shape ({self.channels}, {self.frames}, {self.height}, {self.width})"


@dataclass(frozen=True)
class Series:
    """Inputs that are `Sequences` of real numbers (batch, time, features); `length` is the longest's."""

    features: int
    length: int
    plural: ClassVar[str] = "series (time, features)"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, self.features)

    def __str__(self) -> str:
        return f"series of {self.length} steps, {self.features} feature{'s' if self.features > 1 else ''} each"


@dataclass(frozen=True)
class Nodes:
    """Inputs that are `GraphNodes`: examples are nodes of one graph, each with features."""

    features: int
    plural: ClassVar[str] = "nodes of a graph"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)

    def __str__(self) -> str:
        return f"nodes of a graph with {self.features} features each"


@dataclass(frozen=True)
class Graphs:
    """Inputs that are a `GraphBatch`: examples are whole graphs, whose nodes have features."""

    features: int
    plural: ClassVar[str] = "graphs"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.features,)

    def __str__(self) -> str:
        return f"graphs with {self.features} features a node"


@dataclass(frozen=True)
class Classes:
    """Targets of shape (batch,): the number of a class."""

    names: tuple[str, ...]
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
        return self


class _Labelled:
    """What targets with a label at every position have in common: no strata, and nothing to be learned."""

    per_position: ClassVar[bool] = True

    def strata(self, targets: Tensor) -> Tensor:
        return torch.zeros(len(targets), dtype=torch.long)

    def learned_from(self, targets: Tensor) -> Any:
        return self


@dataclass(frozen=True)
class Tags(_Labelled):
    """Targets of shape (batch, time): the number of a class at every position, IGNORED where there is none."""

    names: tuple[str, ...]
    length: int
    plural: ClassVar[str] = "tags"
    task: ClassVar[str] = "tagging"

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return f"{len(self.names)} tags, up to {self.length} in a row"


@dataclass(frozen=True)
class Tokens(_Labelled):
    """Inputs that are `Sequences` of token numbers (batch, time), or targets of that shape: the next token.

    `unit` is what a token is: character, byte, word, piece (of a word) or symbol.
    """

    vocabulary: tuple[str, ...]
    length: int
    unit: str = "symbol"
    plural: ClassVar[str] = "tokens"
    task: ClassVar[str] = "language_model"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def names(self) -> tuple[str, ...]:
        return self.vocabulary

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __str__(self) -> str:
        return f"up to {self.length} tokens of {len(self.vocabulary):,} different {self.unit}s"


@dataclass(frozen=True)
class Pairs:
    """Inputs that are a `Pair` of sequences of tokens: the source, and the target as far as it is known.

    The lengths are the longest's; `unit` is as in `Tokens`. The target's vocabulary has a token that begins every
    target, and one that ends it.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    source_length: int
    target_length: int
    unit: str = "symbol"
    plural: ClassVar[str] = "pairs of sequences"
    begin: ClassVar[int] = 0
    end: ClassVar[int] = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.source_length, self.target_length)

    def __str__(self) -> str:
        sizes = f"{len(self.source):,} and {len(self.target):,} different {self.unit}s"
        return f"pairs of up to {self.source_length} and {self.target_length} tokens of {sizes}"


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


Inputs = Vector | Image | Video | Series | Tokens | Pairs | Nodes | Graphs
Targets = Classes | Tags | Tokens | Values


@dataclass(frozen=True)
class Reconstruction:
    """What a model gives that is to put out its inputs again: a tensor of their shape."""

    inputs: Inputs
    plural: ClassVar[str] = "reconstructions (task: autoencoding)"

    def __str__(self) -> str:
        return f"reconstructions of {self.inputs}"


@dataclass(frozen=True)
class Density:
    """What a model is that knows how likely inputs are."""

    inputs: Inputs
    plural: ClassVar[str] = "densities (task: rbm)"

    def __str__(self) -> str:
        return f"densities of {self.inputs}"


@dataclass(frozen=True)
class Samples:
    """What a model gives that makes new examples like its inputs."""

    inputs: Inputs
    plural: ClassVar[str] = "samples (task: gan)"

    def __str__(self) -> str:
        return f"samples of {self.inputs}"


Outputs = Targets | Reconstruction | Density | Samples  # what a task asks of a model
Labels = Classes | Tags | Tokens  # targets that are one of several names
_KINDS = (Vector, Image, Video, Series, Tokens, Pairs, Nodes, Graphs, Classes, Tags, Values)
_TYPES: dict[str, Any] = {cls.__name__: cls for cls in _KINDS}

_MAY_DIFFER = {"length", "source_length", "target_length", "mean", "deviation"}


def are_alike(one: Inputs | Targets, other: Inputs | Targets) -> bool:
    """Whether a model made for one can be used on the other: the same but for lengths and the targets' scale."""
    first, second = ({k: v for k, v in to_json(spec).items() if k not in _MAY_DIFFER} for spec in (one, other))
    return first == second


def to_json(spec: Inputs | Targets) -> dict[str, Any]:
    return {"type": type(spec).__name__, **asdict(spec)}


def from_json(fields: dict[str, Any]) -> Any:
    """The description that `to_json` wrote; KeyError or TypeError for anything else."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k != "type"}
    return _TYPES[fields["type"]](**values)
