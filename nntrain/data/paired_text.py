"""Texts and what they are to be turned into: translation."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch, Pair, Sequences
from nntrain.data import Learned
from nntrain.data.ragged import Ragged
from nntrain.data.split import SplitSettings
from nntrain.data.texts import Texts, TextSet, Written
from nntrain.data.vocabulary import facts_of, learned, restored
from nntrain.schema import Component
from nntrain.settings import Augmentation, BatchSize, Sampler, Tokenizer
from nntrain.specs import Pairs, Tokens
from nntrain.tokenizers import Numbers, Vocabulary

MARKS = ("<begin>", "<end>")  # the first tokens of the target, as `Pairs` has them


def paired_text(
    written: Callable[[], Written],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: BatchSize = 32,
    tokenizer: Tokenizer = "bpe",
    split: SplitSettings = SplitSettings(),  # noqa: B008
    sampler: Sampler = "shuffled",
    augment: list[Augmentation] = [],  # noqa: B006
) -> TextSet:
    """Pairs of texts, held in memory as numbers of tokens.

    Source and target have a vocabulary each, learned in the same way.

    Settings:
        batch_size: how many pairs a batch has; auto for as many as are fast here
        tokenizer: what a token is
        split: how the set is divided where it does not come divided
        sampler: in which order pairs are seen
        augment: random changes of training inputs, one after the other
    """
    return TextSet(written, Pairing(tokenizer), device, stored, batch_size, split, sampler, augment)


class PairedTokens(NamedTuple):
    """Sources, and targets between <begin> and <end>."""

    source: Ragged
    target: Ragged

    @property
    def lengths(self) -> Tensor:
        """The longer of both, so that batches of equal lengths have little padding on either side."""
        return torch.maximum(self.source.lengths, self.target.lengths)

    def on(self, device: torch.device) -> "PairedTokens":
        return PairedTokens(self.source.on(device), self.target.on(device))

    @property
    def labels(self) -> Tensor | None:
        return None

    def batch(self, numbers: Tensor) -> Batch:
        """The targets without <end> as inputs, and without <begin> as what is to be predicted."""
        whole, lengths = self.target.padded(numbers)
        assert lengths is not None
        known = Sequences(whole[:, :-1], lengths - 1)
        mask = known.mask()
        assert mask is not None
        return Batch(Pair(self.source.padded(numbers), known), whole[:, 1:].masked_fill(~mask, IGNORED))


class Pairing:
    """Tokens of sources and of targets, each by a tokenizer of the same kind."""

    def __init__(self, tokenizer: Component) -> None:
        self.tokenizer = tokenizer

    def learn(self, train: Texts) -> "PairCodes":
        source = learned(self.tokenizer, train.inputs)
        return PairCodes(self, source, learned(self.tokenizer, train.targets, MARKS))

    def restore(self, stored: Learned) -> "PairCodes":
        inputs, facts = stored.inputs, stored.facts
        assert isinstance(inputs, Pairs)
        source = restored(self.tokenizer, inputs.source, facts["source"])
        return PairCodes(self, source, restored(self.tokenizer, inputs.target, facts["target"], len(MARKS)))

    def strata(self, texts: Texts) -> Tensor:
        return torch.zeros(len(texts), dtype=torch.long)


class PairCodes:
    """The vocabularies of a training set."""

    def __init__(self, coding: Pairing, source: Vocabulary, target: Vocabulary) -> None:
        self.coding = coding
        self.source = source
        self.target = target

    def input(self, text: str) -> str:
        return text

    def rows(self, inputs: Sequence[str]) -> list[Numbers]:
        return self.source.numbers(inputs)

    def coded(self, rows: Sequence[Numbers], texts: Texts | None) -> PairedTokens:
        targets = [np.empty(0, dtype=np.int32)] * len(rows) if texts is None else self.target.numbers(texts.targets)
        begin, end = (np.array([mark], dtype=np.int32) for mark in (Pairs.begin, Pairs.end))
        return PairedTokens(Ragged.of(rows), Ragged.of([np.concatenate((begin, row, end)) for row in targets]))

    def learned(self, parts: Sequence[PairedTokens]) -> Learned:
        lengths = max(part.source.longest for part in parts), max(part.target.longest - 1 for part in parts)
        inputs = Pairs(self.source.tokens, self.target.tokens, *lengths, self.target.unit)
        vocabularies = {"source": self.source, "target": self.target}
        facts = {name: facts_of(self.coding.tokenizer, vocabulary) for name, vocabulary in vocabularies.items()}
        return Learned(inputs, Tokens(inputs.target, lengths[1], inputs.unit), facts=facts)

    def shown(self, text: str) -> dict[str, Any]:
        return {}
