"""Bytes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from nntrain.registry import tokenizer
from nntrain.tokenizers import Numbers, joined


@tokenizer("byte")
class Bytes:
    """Every byte of the UTF-8 text is a token: there are always 256, and no text has others.

    Source: Gillick et al., Multilingual language processing from bytes, 2016, arXiv:1512.00103.
    """

    def learn(self, texts: Sequence[str], special: Sequence[str] = ()) -> "ByteVocabulary":
        return ByteVocabulary((*special, *map(chr, range(256))), len(special))

    def restore(self, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> "ByteVocabulary":
        return ByteVocabulary(tuple(tokens), special)


class ByteVocabulary:
    """Special tokens, and the 256 bytes."""

    unit: ClassVar[str] = "byte"
    facts: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, tokens: tuple[str, ...], special: int) -> None:
        self.tokens = tokens
        self._special = special

    def numbers(self, texts: Sequence[str]) -> list[Numbers]:
        encoded = (np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8) for text in texts)
        return [codes.astype(np.int32) + self._special for codes in encoded]

    def text(self, numbers: Iterable[int]) -> str:
        return joined((self.tokens[number] for number in numbers if number >= self._special), self.unit)
