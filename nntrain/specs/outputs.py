"""What a model is asked for where that is not the targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nntrain.specs.inputs import Inputs, Tokens
from nntrain.tokenizers import Vocabulary, joined


@dataclass(frozen=True)
class Embedding:
    """What a model gives that places each example among others: a vector of `size` numbers."""

    size: int
    plural: ClassVar[str] = "embeddings (task: link_prediction, contrastive)"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return self.size

    def __str__(self) -> str:
        return f"embeddings of {self.size} numbers"


@dataclass(frozen=True)
class Reconstruction:
    """What a model gives that is to put out its inputs again: a tensor of their shape."""

    inputs: Inputs
    plural: ClassVar[str] = "reconstructions (task: autoencoding)"

    def __str__(self) -> str:
        return f"reconstructions of {self.inputs}"


@dataclass(frozen=True)
class Box:
    """A box in a picture (batch, 4): left, top, right and bottom edge, in shares of the picture's width and height."""

    plural: ClassVar[str] = "boxes (task: localization)"
    per_position: ClassVar[bool] = False

    def __len__(self) -> int:
        return 4

    def __str__(self) -> str:
        return "a box"


@dataclass(frozen=True)
class Density:
    """What a model is that knows how likely inputs are."""

    inputs: Inputs
    plural: ClassVar[str] = "densities (task: rbm)"

    def __str__(self) -> str:
        return f"densities of {self.inputs}"


@dataclass(frozen=True)
class Samples:
    """What a model gives that makes new examples like its inputs; `learned` is what is known of the training set."""

    inputs: Inputs
    learned: Any = None
    plural: ClassVar[str] = "samples (task: gan)"

    def __str__(self) -> str:
        return f"samples of {self.inputs}"


@dataclass(frozen=True)
class Written:
    """Sequences of tokens that a model writes by itself, as measured against those that it was to write.

    `vocabulary` is what makes texts of them; None where they come without one, such as made-up symbols.
    """

    tokens: Tokens
    vocabulary: Vocabulary | None = None
    plural: ClassVar[str] = "sequences that a model writes (task: seq2seq)"

    def __str__(self) -> str:
        return f"what a model writes of {len(self.tokens):,} different {self.tokens.unit}s"

    def text(self, numbers: Sequence[int]) -> str:
        if self.vocabulary is not None:
            return self.vocabulary.text(numbers)
        return joined((self.tokens.vocabulary[number] for number in numbers), self.tokens.unit)
