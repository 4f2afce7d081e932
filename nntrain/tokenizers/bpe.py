"""Byte-pair encoding."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from nntrain.registry import tokenizer
from nntrain.settings import Count
from nntrain.tokenizers import Numbers


@tokenizer("bpe")
class BytePairs:
    """Pieces of words: pairs of neighbouring tokens that are most frequent become one, again and again.

    t1 t2 -> t1t2 for the most frequent pair (t1, t2) within words, until there are `size` tokens

    It begins with the 256 bytes of UTF-8, so that no text is unknown, and text comes back as it was, blanks and
    all; the blank before a word belongs to it. Good for translation, and language models of much text.
    Source: Sennrich, Haddow, Birch, Neural machine translation of rare words with subword units, 2016,
    arXiv:1508.07909; on bytes: Radford et al., Language models are unsupervised multitask learners, 2019.

    Settings:
        size: how many tokens there are, the bytes among them; fewer where no pairs are left
        minimum: how often the training set must have a pair that becomes a token
    """

    def __init__(self, *, size: Annotated[int, Ge(256)] = 8000, minimum: Count = 2) -> None:
        self.size = size
        self.minimum = minimum

    def learn(self, texts: Sequence[str], special: Sequence[str] = ()) -> "PieceVocabulary":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=self.minimum,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        made.train_from_iterator(texts, trainer)
        learned = json.loads(made.to_str())["model"]
        tokens = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
        return PieceVocabulary((*special, *tokens), len(special), learned["merges"])

    def restore(self, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> "PieceVocabulary":
        return PieceVocabulary(tuple(tokens), special, facts["merges"])


class PieceVocabulary:
    """Special tokens, the letters that stand for bytes, and pieces in the order in which they were made."""

    unit: ClassVar[str] = "piece"

    def __init__(self, tokens: tuple[str, ...], special: int, merges: Sequence[Sequence[str]]) -> None:
        self.tokens = tokens
        self.facts = {"merges": [list(pair) for pair in merges]}
        self._special = special
        pieces = {token: number for number, token in enumerate(tokens[special:])}
        self._made = Tokenizer(models.BPE(pieces, [(first, second) for first, second in merges]))
        self._made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._made.decoder = decoders.ByteLevel()

    def numbers(self, texts: Sequence[str]) -> list[Numbers]:
        encoded = self._made.encode_batch(list(texts), add_special_tokens=False)
        return [np.array(one.ids, dtype=np.int32) + self._special for one in encoded]

    def text(self, numbers: Iterable[int]) -> str:
        kept = [number - self._special for number in numbers if number >= self._special]
        return self._made.decode(kept, skip_special_tokens=False)
