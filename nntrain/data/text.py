"""Text for language models: one row of tokens, read in blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from nntrain.batch import Batch, Sequences
from nntrain.data import Given, Learned
from nntrain.data.split import sampled
from nntrain.errors import UnfitError, UserError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.settings import Count
from nntrain.specs import Tokens

Unit = Literal["character", "byte"]
EVALUATION_TOKENS = 1 << 14  # in a batch of evaluation: large enough to be fast, small enough for large vocabularies


@dataclass(frozen=True)
class Corpus:
    """A text in two parts, for training and for the dev set."""

    name: str
    train: str
    dev: str

    @classmethod
    def divided(cls, name: str, text: str, share: float = 0.9) -> "Corpus":
        """The first `share` of a text for training, the rest for the dev set."""
        end = int(share * len(text))
        return cls(name, text[:end], text[end:])


class TextSplit:
    """Blocks of a row of tokens, each given by where it starts.

    In training each is shifted by a random number of tokens below `block`, drawn when the batch is made, so that
    an epoch sees as many tokens as there are, and another epoch sees other blocks.
    """

    def __init__(self, tokens: Tensor, starts: Tensor, block: int, batch_size: int) -> None:
        self.tokens = tokens
        self.starts = starts
        self.block = block
        self.batch_size = batch_size

    @classmethod
    def of(cls, tokens: Tensor, block: int, batch_size: int) -> "TextSplit":
        """Blocks side by side, each followed by a token at least."""
        starts = torch.arange((len(tokens) - 1) // block, device=tokens.device) * block
        return cls(tokens, starts, block, batch_size)

    def __len__(self) -> int:
        return len(self.starts)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self._batch(self._shifted(self.starts[numbers])) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        size = max(self.batch_size, EVALUATION_TOKENS // self.block)
        yield from map(self._batch, torch.split(self.starts, size))

    def sample(self, examples: int, seed: int) -> "TextSplit":
        if len(self) <= examples:
            return self
        numbers = sampled(len(self), examples, seed).to(self.starts.device)
        return TextSplit(self.tokens, self.starts[numbers], self.block, self.batch_size)

    def _shifted(self, starts: Tensor) -> Tensor:
        """Starts with shifts added; beyond the last one that a block fits after, it goes on at the beginning."""
        shifts = torch.randint(self.block, starts.shape, device=starts.device)
        return (starts + shifts) % (len(self.tokens) - self.block)

    def _batch(self, starts: Tensor) -> Batch:
        """The blocks, and as targets the same moved by one token."""
        places = starts[:, None] + torch.arange(self.block + 1, device=starts.device)
        windows = self.tokens[places].long()
        return Batch(Sequences(windows[:, :-1]), windows[:, 1:])


class Blocks:
    """A text whose next token is to be predicted, held in memory as numbers of tokens.

    An example is a block of tokens, its targets are the tokens after each. The vocabulary of characters is all
    that occur in the text, sorted; it travels in the checkpoint. There is no test part: the dev set serves.

    Settings:
        batch_size: how many blocks a batch has
        block: how many tokens a block has
        unit: what a token is, a character or a byte of the UTF-8 text
    """

    def __init__(
        self,
        corpus: Callable[[], Corpus],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: Count = 32,
        block: Count = 128,
        unit: Unit = "character",
    ) -> None:
        self._corpus = corpus
        self._device = device
        self._block = block
        self._unit: Unit = unit
        self._stored = stored
        self.batch_size = batch_size
        self.learned = self._learn() if stored is None else stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets
        if stored is None:
            self.split("train")  # what cannot be divided is refused before anything starts

    @property
    def train(self) -> TextSplit:
        return self._splits["train"]

    @property
    def sampler(self) -> Sampler:
        return Shuffled(TrainingSet(len(self.train), self.batch_size))

    def split(self, name: str) -> TextSplit | None:
        return self._splits["train" if name == "train" else "dev"]

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        raise UserError(f"there is no way to read {self.inputs} from files; take --split")

    def describe(self) -> dict[str, Any]:
        text = self._text
        return {
            "inputs": str(self.inputs),
            "targets": str(self.targets),
            "examples": {name: len(part) for name, part in self._splits.items()},
            "tokens": {name: len(part.tokens) for name, part in self._splits.items()},
            "sha256": sha256((text.train + text.dev).encode()).hexdigest(),
        }

    @cached_property
    def _text(self) -> Corpus:
        return self._corpus()

    def _learn(self) -> Learned:
        codes = np.arange(256) if self._unit == "byte" else np.unique(np.concatenate(self._both()))
        tokens = Tokens(tuple(map(chr, codes)), self._block, self._unit)
        return Learned(tokens, tokens)

    def _both(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        return _codes(self._text.train, self._unit), _codes(self._text.dev, self._unit)

    @cached_property
    def _splits(self) -> dict[str, TextSplit]:
        both, name, unit = self._both(), self._text.name, self._unit
        if min(map(len, both)) <= self._block:
            raise UnfitError(f"{name} has a part of {min(map(len, both))} {unit}s; take a smaller one", "block")
        assert isinstance(self.inputs, Tokens)
        vocabulary = np.array([ord(character) for character in self.inputs.vocabulary])
        if not np.isin(np.concatenate(both), vocabulary).all():
            raise UnfitError(f"the checkpoint was trained on a text of other {unit}s than {name} is now")
        return {
            part: TextSplit.of(_numbers(codes, vocabulary).to(self._device), self._block, self.batch_size)
            for part, codes in zip(("train", "dev"), both, strict=True)
        }


def _numbers(codes: np.ndarray[Any, Any], vocabulary: np.ndarray[Any, Any]) -> Tensor:
    """Numbers in the vocabulary, as small as they can be kept."""
    numbers = torch.from_numpy(np.searchsorted(vocabulary, codes))
    return numbers.to(torch.uint8 if len(vocabulary) <= 256 else torch.int32)


def _codes(text: str, unit: Unit) -> np.ndarray[Any, Any]:
    """A text as Unicode's numbers of its characters, or as its bytes."""
    if unit == "byte":
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
