"""Tokenizers: how text is cut into tokens, and which tokens the training set's text has."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

UNKNOWN = "<unknown>"  # what the training set does not have
Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.int32]]


class Vocabulary(Protocol):
    """What was learned of a text: its tokens, by their numbers."""

    @property
    def tokens(self) -> tuple[str, ...]: ...

    @property
    def unit(self) -> str:
        """What a token is, in one word."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is needed to make it again beside the tokens, as JSON can say it."""

    def numbers(self, texts: Sequence[str]) -> list[Numbers]:
        """The tokens of each text."""

    def text(self, numbers: Iterable[int]) -> str:
        """The text that tokens make."""


class Tokenizer(Protocol):
    """A way of cutting text; it learns from the training set alone."""

    def learn(self, texts: Sequence[str], special: Sequence[str] = ()) -> Vocabulary:
        """The vocabulary of texts; tokens that no text has, such as marks of its end, have the first numbers."""

    def restore(self, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> Vocabulary:
        """The vocabulary that a checkpoint holds, of whose tokens so many are special."""


def joined(tokens: Iterable[str], unit: str) -> str:
    """The text that tokens make, as far as that can be told without their tokenizer."""
    if unit == "piece":
        return bytes(BYTES[character] for character in "".join(tokens) if character in BYTES).decode(errors="replace")
    if unit == "byte":
        return "".join(tokens).encode("latin-1", "ignore").decode(errors="replace")
    return ("" if unit == "character" else " ").join(tokens)


def _letters_of_bytes() -> dict[str, int]:
    """The letters that stand for bytes in pieces of words: themselves where they can be seen, else those after 255.

    Source: the byte-level encoding of GPT-2, Radford et al. 2019.
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(unseen)}


BYTES: Mapping[str, int] = _letters_of_bytes()
