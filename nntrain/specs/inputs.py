"""What inputs look like."""

from dataclasses import dataclass
from typing import ClassVar

from nntrain.specs.unlearned import Unlearned


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
        groups = f"{len(self.groups)} group{'s' if len(self.groups) > 1 else ''}"
        flags = f", {self.flags} of them flags in {groups}" if self.groups else ""
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
class Tokens(Unlearned):
    """Inputs that are `Sequences` of token numbers (batch, time), or targets of that shape: the next token.

    `unit` is what a token is: character, byte, word, piece (of a word), token (of a tokenizer file) or symbol.
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
    asks_for: ClassVar[str] = "seq2seq"  # the task, whatever the targets are
    begin: ClassVar[int] = 0
    end: ClassVar[int] = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.source_length, self.target_length)

    def __str__(self) -> str:
        sizes = f"{len(self.source):,} and {len(self.target):,} different {self.unit}s"
        return f"pairs of up to {self.source_length} and {self.target_length} tokens of {sizes}"


@dataclass(frozen=True)
class OneToMany:
    """Inputs that are a `Pair` of a vector or image and the sequence of tokens made from it, as far as it is known.

    The vocabulary begins with tokens that begin and end every sequence, as in `Pairs`. `drawn` is there where a
    sequence is an image, pixel by pixel in rows, each token but those two being a grey value, from black to white.
    """

    source: Vector | Image
    vocabulary: tuple[str, ...]
    target_length: int
    unit: str = "word"
    drawn: Image | None = None
    plural: ClassVar[str] = "vectors or images with a sequence for each"
    asks_for: ClassVar[str] = "sequence_generation"  # the task, whatever the targets are
    begin: ClassVar[int] = Pairs.begin
    end: ClassVar[int] = Pairs.end

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    def __str__(self) -> str:
        tokens = f"{len(self.vocabulary):,} different {self.unit}s"
        return f"{self.source}, each with up to {self.target_length} tokens of {tokens}"


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


Inputs = Vector | Image | Video | Series | Tokens | Pairs | OneToMany | Nodes | Graphs
