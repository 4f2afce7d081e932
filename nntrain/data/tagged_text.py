"""Sentences with a tag for each word."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch
from nntrain.data import Learned
from nntrain.data.lines import Fault, Place, lines
from nntrain.data.ragged import Ragged
from nntrain.data.split import SplitSettings
from nntrain.data.texts import Texts, TextSet, Written
from nntrain.data.vocabulary import facts_of, restored
from nntrain.errors import UnfitError, UserError
from nntrain.schema import Component
from nntrain.settings import Augmentation, BatchSize, Sampler, Tokenizer
from nntrain.specs import Tags, Tokens
from nntrain.tokenizers import Numbers, Vocabulary
from nntrain.tokenizers.word import Words, WordVocabulary


class Tag(NamedTuple):
    """The tag of a word, and where it stands."""

    name: str
    place: Place


def tagged_text(
    written: Callable[[], Written],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: BatchSize = 32,
    tokenizer: Tokenizer = "word",
    split: SplitSettings = SplitSettings(),  # noqa: B008
    sampler: Sampler = "shuffled",
    augment: list[Augmentation] = [],  # noqa: B006
) -> TextSet:
    """Sentences with a tag for each word, held in memory as numbers of words.

    Settings:
        batch_size: how many sentences a batch has; auto for as many as are fast here
        tokenizer: word, with its settings: words have tags, so tokens are words
        split: how the set is divided where it does not come divided
        sampler: in which order sentences are seen
        augment: random changes of training inputs, one after the other
    """
    return TextSet(written, Tagging(tokenizer), device, stored, batch_size, split, sampler, augment)


def sentences(path: str) -> Iterator[tuple[Place, list[str]] | Fault]:
    """Each line of a file as words between blanks."""
    for line in lines(path):
        yield line if isinstance(line, Fault) else (line[0], line[1].split())


class TaggedTokens(NamedTuple):
    """Words, and the tag of each."""

    tokens: Ragged
    tags: Ragged

    @property
    def lengths(self) -> Tensor:
        return self.tokens.lengths

    def on(self, device: torch.device) -> "TaggedTokens":
        return TaggedTokens(self.tokens.on(device), self.tags.on(device))

    @property
    def labels(self) -> Tensor | None:
        return None

    def batch(self, numbers: Tensor) -> Batch:
        return Batch(self.tokens.padded(numbers), self.tags.padded(numbers, IGNORED).values)


class Tagging:
    """Words, cut as the set has them, and tags by their names."""

    def __init__(self, tokenizer: Component) -> None:
        if not issubclass(tokenizer.factory, Words):  # type: ignore[arg-type]
            raise UnfitError("every word has a tag, so every token has to be a word; write word", "tokenizer")
        self.tokenizer = tokenizer

    def learn(self, train: Texts) -> "TagCodes":
        names = sorted({tag.name for tags in train.targets for tag in tags})
        if len(names) == 1:
            raise UserError(f"all words of the training set have the tag '{names[0]}'; expected two at least")
        counts = Counter(word for words in train.inputs for word in words)
        return TagCodes(self, self.tokenizer().learn_words(counts), tuple(names))

    def restore(self, stored: Learned) -> "TagCodes":
        assert isinstance(stored.inputs, Tokens) and isinstance(stored.targets, Tags)
        vocabulary = restored(self.tokenizer, stored.inputs.vocabulary, stored.facts["tokenizer"])
        assert isinstance(vocabulary, WordVocabulary)
        return TagCodes(self, vocabulary, stored.targets.names)

    def strata(self, texts: Texts) -> Tensor:
        return torch.zeros(len(texts), dtype=torch.long)


class TagCodes:
    """The words and the tags of a training set."""

    target: Vocabulary | None = None

    def __init__(self, coding: Tagging, vocabulary: WordVocabulary, names: tuple[str, ...]) -> None:
        self.coding = coding
        self.vocabulary = vocabulary
        self.names = names

    def input(self, text: str) -> list[str]:
        return text.split()

    def rows(self, inputs: Sequence[Sequence[str]]) -> list[Numbers]:
        return [self.vocabulary.numbers_of(words) for words in inputs]

    def coded(self, rows: Sequence[Numbers], texts: Texts | None) -> TaggedTokens:
        tokens = Ragged.of(rows)
        tags = torch.zeros_like(tokens.values) if texts is None else self._tags(texts)
        return TaggedTokens(tokens, tokens._replace(values=tags))

    def learned(self, parts: Sequence[TaggedTokens]) -> Learned:
        longest = max(part.tokens.longest for part in parts)
        inputs = Tokens(self.vocabulary.tokens, longest, self.vocabulary.unit)
        facts = {"tokenizer": facts_of(self.coding.tokenizer, self.vocabulary)}
        return Learned(inputs, Tags(self.names, longest), facts=facts)

    def shown(self, text: Sequence[str]) -> dict[str, Any]:
        return {"tokens": list(text)}

    def _tags(self, texts: Texts) -> Tensor:
        numbers = {name: number for number, name in enumerate(self.names)}
        for name, place in (tag for tags in texts.targets for tag in tags):
            if name not in numbers:
                known = ", ".join(self.names)
                raise UserError(str(Fault(place, f"the tag '{name}' is not in the training set, which has {known}")))
        return torch.tensor([numbers[tag.name] for tags in texts.targets for tag in tags], dtype=torch.int32)
