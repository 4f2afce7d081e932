"""Texts with a class each."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nntrain.batch import Batch
from nntrain.data import Learned
from nntrain.data.lines import Fault
from nntrain.data.ragged import Ragged
from nntrain.data.split import SplitSettings
from nntrain.data.texts import Texts, TextSet, Written
from nntrain.data.vocabulary import facts_of, learned, restored
from nntrain.errors import UserError
from nntrain.schema import Component
from nntrain.settings import Augmentation, BatchSize, Count, Sampler, Tokenizer
from nntrain.specs import Classes, Tokens
from nntrain.tokenizers import Numbers, Vocabulary


def labelled_text(
    written: Callable[[], Written],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: BatchSize = 32,
    tokenizer: Tokenizer = "word",
    longest: Count | None = None,
    split: SplitSettings = SplitSettings(),  # noqa: B008
    sampler: Sampler = "shuffled",
    augment: list[Augmentation] = [],  # noqa: B006
) -> TextSet:
    """Texts with a class each, held in memory as numbers of tokens.

    Settings:
        batch_size: how many texts a batch has; auto for as many as are fast here
        tokenizer: what a token is
        longest: how many tokens of a text are read, the first ones; left out, all
        split: how the set is divided where it does not come divided
        sampler: in which order texts are seen
        augment: random changes of training inputs, one after the other
    """
    return TextSet(written, Labelling(tokenizer, longest), device, stored, batch_size, split, sampler, augment)


class LabelledTokens(NamedTuple):
    """Tokens, and the class of each text."""

    tokens: Ragged
    labels: Tensor

    @property
    def lengths(self) -> Tensor:
        return self.tokens.lengths

    def on(self, device: torch.device) -> "LabelledTokens":
        return self._replace(tokens=self.tokens.on(device))

    def batch(self, numbers: Tensor) -> Batch:
        labels = self.labels[numbers].to(self.tokens.values.device, non_blocking=True)
        return Batch(self.tokens.padded(numbers), labels)


class Labelling:
    """Tokens by a tokenizer, at most `longest` of them, and classes by their names."""

    def __init__(self, tokenizer: Component, longest: int | None) -> None:
        self.tokenizer = tokenizer
        self.longest = longest

    def learn(self, train: Texts) -> "LabelCodes":
        names = sorted(set(train.targets), key=_order)
        if len(names) == 1:
            raise UserError(
                f"all {len(train):,} texts of the training set are of class '{names[0]}'; expected two at least"
            )
        return LabelCodes(self, learned(self.tokenizer, train.inputs), tuple(names))

    def restore(self, stored: Learned) -> "LabelCodes":
        assert isinstance(stored.inputs, Tokens) and isinstance(stored.targets, Classes)
        vocabulary = restored(self.tokenizer, stored.inputs.vocabulary, stored.facts["tokenizer"])
        return LabelCodes(self, vocabulary, stored.targets.names)

    def strata(self, texts: Texts) -> Tensor:
        numbers = {name: number for number, name in enumerate(dict.fromkeys(texts.targets))}
        return torch.tensor([numbers[name] for name in texts.targets])


class LabelCodes:
    """A vocabulary and the classes of a training set."""

    target: Vocabulary | None = None

    def __init__(self, coding: Labelling, vocabulary: Vocabulary, names: tuple[str, ...]) -> None:
        self.coding = coding
        self.vocabulary = vocabulary
        self.names = names

    def input(self, text: str) -> str:
        return text

    def rows(self, inputs: Sequence[str]) -> list[Numbers]:
        return [row[: self.coding.longest] for row in self.vocabulary.numbers(inputs)]

    def coded(self, rows: Sequence[Numbers], texts: Texts | None) -> LabelledTokens:
        labels = torch.zeros(len(rows), dtype=torch.long) if texts is None else self._labels(texts)
        return LabelledTokens(Ragged.of(rows), labels)

    def learned(self, parts: Sequence[LabelledTokens]) -> Learned:
        longest = max(part.tokens.longest for part in parts)
        inputs = Tokens(self.vocabulary.tokens, longest, self.vocabulary.unit)
        facts = {"tokenizer": facts_of(self.coding.tokenizer, self.vocabulary)}
        return Learned(inputs, Classes(self.names), facts=facts)

    def shown(self, text: str) -> dict[str, Any]:
        return {}

    def _labels(self, texts: Texts) -> Tensor:
        numbers = {name: number for number, name in enumerate(self.names)}
        for name, place in zip(texts.targets, texts.places, strict=True):
            if name not in numbers:
                known = ", ".join(self.names[:10]) + (" ..." if len(self.names) > 10 else "")
                raise UserError(str(Fault(place, f"the class '{name}' is not in the training set, which has {known}")))
        return torch.tensor([numbers[name] for name in texts.targets])


def _order(name: str) -> tuple[int, float, str]:
    """Whole numbers by their size, and after them names by their letters."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)
