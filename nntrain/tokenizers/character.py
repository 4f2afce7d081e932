"""Characters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nntrain.registry import tokenizer
from nntrain.settings import Count
from nntrain.tokenizers import UNKNOWN, Numbers, joined

MOST = 0x110000  # characters that Unicode has


@tokenizer("character")
class Characters:
    """Every character is a token; one that the training set does not have is <unknown>.

    Short vocabularies and long sequences: good for little text, and for what is not made of words.
    Source: Sutskever, Martens, Hinton, Generating text with recurrent neural networks, 2011.

    Settings:
        minimum: how often the training set must have a character; rarer ones are <unknown> there too
    """

    def __init__(self, *, minimum: Count = 1) -> None:
        self.minimum = minimum

    def learn(self, texts: Sequence[str], special: Sequence[str] = ()) -> "CharacterVocabulary":
        counts = np.bincount(_codes("".join(texts)))
        return CharacterVocabulary((*special, UNKNOWN, *map(chr, np.flatnonzero(counts >= self.minimum))), len(special))

    def restore(self, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> "CharacterVocabulary":
        return CharacterVocabulary(tuple(tokens), special)


class CharacterVocabulary:
    """Special tokens, <unknown>, and characters in Unicode's order."""

    unit: ClassVar[str] = "character"
    facts: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, tokens: tuple[str, ...], special: int) -> None:
        self.tokens = tokens
        self._numbers = np.full(MOST, special, dtype=np.int32)
        known = [ord(character) for character in tokens[special + 1 :]]
        self._numbers[known] = np.arange(special + 1, len(tokens))

    def numbers(self, texts: Sequence[str]) -> list[Numbers]:
        return [self._numbers[_codes(text)] for text in texts]

    def text(self, numbers: Iterable[int]) -> str:
        return joined((self.tokens[number] for number in numbers), self.unit)


def _codes(text: str) -> np.ndarray[Any, Any]:
    """Unicode's numbers of the characters."""
    return np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
