"""Text for language models: one row of tokens, read in blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch, Sequences
from nntrain.data import Given, Learned, Split
from nntrain.data.augmented import Changes
from nntrain.data.lines import whole_text
from nntrain.data.split import sampled
from nntrain.data.vocabulary import facts_of, learned, restored
from nntrain.errors import UnfitError, UserError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.settings import Augmentation, BatchSize, Count, assumed
from nntrain.settings import Tokenizer as TokenizerSetting
from nntrain.specs import Tokens
from nntrain.tokenizers import Numbers

# Of a batch of evaluation: large enough to be fast, small enough for large vocabularies.
EVALUATION_TOKENS = 1 << 14
EVALUATION_OUTPUTS = 1 << 25


@dataclass(frozen=True)
class Corpus:
    """A text in parts, for training, for the dev set, and for the test set where there is one."""

    name: str
    train: str
    dev: str
    test: str | None = None

    @property
    def parts(self) -> dict[str, str]:
        parts = {"train": self.train, "dev": self.dev}
        return parts if self.test is None else {**parts, "test": self.test}

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

    def __init__(self, tokens: Tensor, starts: Tensor, block: int, batch_size: int, evaluated: int) -> None:
        """`evaluated` is how many blocks a batch of evaluation has at least."""
        self.tokens = tokens
        self.starts = starts
        self.block = block
        self.batch_size = batch_size
        self.evaluated = evaluated

    @classmethod
    def of(cls, tokens: Tensor, block: int, batch_size: int, vocabulary: int) -> "TextSplit":
        """Blocks side by side, each followed by a token at least."""
        starts = torch.arange((len(tokens) - 1) // block, device=tokens.device) * block
        return cls(tokens, starts, block, batch_size, min(EVALUATION_TOKENS, EVALUATION_OUTPUTS // vocabulary) // block)

    def __len__(self) -> int:
        return len(self.starts)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            there = (numbers.to(self.starts.device, non_blocking=True) for numbers in update)
            yield [self._batch(self._shifted(self.starts[numbers])) for numbers in there]

    def in_order(self) -> Iterator[Batch]:
        yield from map(self._batch, torch.split(self.starts, max(self.batch_size, self.evaluated)))

    def sample(self, examples: int, seed: int) -> "TextSplit":
        if len(self) <= examples:
            return self
        numbers = sampled(len(self), examples, seed).to(self.starts.device)
        return TextSplit(self.tokens, self.starts[numbers], self.block, self.batch_size, self.evaluated)

    def _shifted(self, starts: Tensor) -> Tensor:
        """Starts with shifts added; beyond the last one that a block fits after, it goes on at the beginning."""
        shifts = torch.randint(self.block, starts.shape, device=starts.device)
        return (starts + shifts) % (len(self.tokens) - self.block)

    def _batch(self, starts: Tensor) -> Batch:
        """The blocks, and as targets the same moved by one token."""
        places = starts[:, None] + torch.arange(self.block + 1, device=starts.device)
        windows = self.tokens[places].long()
        return Batch(Sequences(windows[:, :-1]), windows[:, 1:])


class Prompt:
    """A text that is to be gone on with, as the one example of a split."""

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return 1

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [batch for _ in update for batch in self.in_order()]

    def in_order(self) -> Iterator[Batch]:
        yield Batch(Sequences(self.tokens[None]), torch.full_like(self.tokens[None], IGNORED))

    def sample(self, examples: int, seed: int) -> "Prompt":
        return self


class Blocks:
    """A text whose next token is to be predicted, held in memory as numbers of tokens.

    An example is a block of tokens, its targets are the tokens after each. The vocabulary is the training part's;
    it travels in the checkpoint. Where there is no test part the dev set serves.

    Settings:
        batch_size: how many blocks a batch has; auto for as many as are fast here
        block: how many tokens a block has
        tokenizer: what a token is
        augment: random changes of training inputs, one after the other
    """

    def __init__(
        self,
        corpus: Callable[[], Corpus],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: BatchSize = 32,
        block: Count = 128,
        tokenizer: TokenizerSetting = "character",
        augment: list[Augmentation] = [],  # noqa: B006
    ) -> None:
        self._corpus = corpus
        self.device = device
        self._block = block
        self._tokenizer = tokenizer
        self.batch_size = assumed(batch_size)
        if stored is None:
            self.target_vocabulary = learned(tokenizer, [self._text.train])
            self.learned = self._learn()
        else:
            assert isinstance(stored.inputs, Tokens)
            self.target_vocabulary = restored(tokenizer, stored.inputs.vocabulary, stored.facts["tokenizer"])
            self.learned = stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets
        self._changes = Changes.of(augment, None, self.inputs, self.targets) if stored is None else Changes()
        if stored is None:
            self.split("train")  # what cannot be divided is refused before anything starts

    @property
    def train(self) -> Split:
        return self._changes.around(self._splits["train"])

    @property
    def sampler(self) -> Sampler:
        return Shuffled(TrainingSet(len(self.train), self.batch_size))

    def split(self, name: str) -> Split | None:
        return self.train if name == "train" else self._splits.get(name, self._splits["dev"])

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        for path in paths:
            try:
                yield self._beginning(whole_text(path), {"file": path})
            except UserError as error:
                yield Given(None, [], [str(error)])

    def prompt(self, text: str) -> Iterator[Given]:
        """A text that is to be gone on with, and stands in no file."""
        yield self._beginning(text, {})

    def _beginning(self, text: str, source: dict[str, Any]) -> Given:
        (numbers,) = self.target_vocabulary.numbers([text])
        if not len(numbers):
            return Given(None, [], [f"{source.get('file', 'the prompt')}: there is no text to go on with"])
        return Given(Prompt(torch.from_numpy(numbers).long().to(self.device)), [{**source, "prompt": text}])

    def describe(self) -> dict[str, Any]:
        return {
            "inputs": str(self.inputs),
            "targets": str(self.targets),
            "examples": {name: len(part) for name, part in self._splits.items()},
            "tokens": {name: len(part.tokens) for name, part in self._splits.items()},
            "sha256": sha256("".join(self._text.parts.values()).encode()).hexdigest(),
        }

    @cached_property
    def _text(self) -> Corpus:
        return self._corpus()

    def _learn(self) -> Learned:
        tokens = Tokens(self.target_vocabulary.tokens, self._block, self.target_vocabulary.unit)
        return Learned(tokens, tokens, facts={"tokenizer": facts_of(self._tokenizer, self.target_vocabulary)})

    @cached_property
    def _splits(self) -> dict[str, TextSplit]:
        text, size = self._text, len(self.target_vocabulary.tokens)
        parts = dict(zip(text.parts, self.target_vocabulary.numbers(list(text.parts.values())), strict=True))
        shortest = min(map(len, parts.values()))
        if shortest <= self._block:
            raise UnfitError(
                f"{text.name} has a part of {shortest} {self.target_vocabulary.unit}s; take a smaller one", "block"
            )
        return {
            name: TextSplit.of(_stored(numbers, size).to(self.device), self._block, self.batch_size, size)
            for name, numbers in parts.items()
        }


def _stored(numbers: Numbers, vocabulary: int) -> Tensor:
    """Numbers in a vocabulary, as small as they can be kept."""
    return torch.from_numpy(numbers).to(torch.uint8 if vocabulary <= 256 else torch.int32)
