"""Words."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from nntrain.errors import UnfitError
from nntrain.registry import tokenizer
from nntrain.settings import Count
from nntrain.tokenizers import UNKNOWN, Numbers

PATTERNS = {"blanks": re.compile(r"\n|\S+"), "punctuation": re.compile(r"\n|\w+|[^\w\s]")}


@tokenizer("word")
class Words:
    """Every word is a token, and every line break; words that the training set hardly or never has are <unknown>.

    With rare: shape there are several tokens for rare words, by their letters and their last three: `<Aa-ing>` for
    Running, `<0>` for 1984. They are those that rare words of the training set have as often as `minimum`.
    Source: shapes after Weischedel et al., Coping with ambiguity and unknown words through probabilistic models,
    1993.

    Settings:
        minimum: how often the training set must have a word that is to be a token
        size: how many words are tokens at most, the most frequent ones; left out, there is no limit
        lowercase: whether capital letters are taken for small ones
        cut: blanks for words between blanks, as in text that is cut already; punctuation for every sign apart
        rare: unknown for one token that stands for all rare words; shape for several
    """

    def __init__(
        self,
        *,
        minimum: Count = 2,
        size: Count | None = None,
        lowercase: bool = False,
        cut: Literal["blanks", "punctuation"] = "blanks",
        rare: Literal["unknown", "shape"] = "unknown",
    ) -> None:
        if rare == "shape" and minimum == 1 and size is None:
            raise UnfitError("with minimum: 1 the training set has no rare words whose shapes could be learned", "rare")
        self.minimum = minimum
        self.size = size
        self.form: Callable[[str], str] = str.lower if lowercase else str
        self.pattern = PATTERNS[cut]
        self.shapes = rare == "shape"

    def learn(self, texts: Sequence[str], special: Sequence[str] = ()) -> "WordVocabulary":
        written = Counter(word for text in texts for word in self.pattern.findall(text))
        return self.learn_words(written, special)

    def learn_words(self, written: Mapping[str, int], special: Sequence[str] = ()) -> "WordVocabulary":
        """The vocabulary of words that are written so often."""
        counts: Counter[str] = Counter()
        for word, count in written.items():
            counts[self.form(word)] += count
        ranked = sorted((-count, word) for word, count in counts.items() if count >= self.minimum)
        known = [word for _, word in ranked[: self.size] if word not in special and word != UNKNOWN]
        shapes = self._shapes(written, set(known)) if self.shapes else []
        return WordVocabulary(self, (*special, UNKNOWN, *shapes, *known), len(special), len(shapes))

    def restore(self, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> "WordVocabulary":
        return WordVocabulary(self, tuple(tokens), special, facts["shapes"])

    def _shapes(self, written: Mapping[str, int], known: set[str]) -> list[str]:
        """The shapes of rare words, and those without an ending, the most frequent first."""
        counts: Counter[str] = Counter()
        for word, count in written.items():
            if self.form(word) not in known:
                counts.update(dict.fromkeys(shapes_of(word), count))
        return [shape for count, shape in sorted((-n, shape) for shape, n in counts.items()) if -count >= self.minimum]


class WordVocabulary:
    """Special tokens, <unknown>, shapes of rare words, and words from the most frequent down."""

    unit: ClassVar[str] = "word"

    def __init__(self, tokenizer: Words, tokens: tuple[str, ...], special: int, shapes: int) -> None:
        self.tokens = tokens
        self.facts = {"shapes": shapes}
        self._tokenizer = tokenizer
        self._unknown = special
        first = special + 1 + shapes
        self._shapes = {shape: number for number, shape in enumerate(tokens[special + 1 : first], special + 1)}
        self._known = {word: number for number, word in enumerate(tokens[first:], first)}

    def numbers(self, texts: Sequence[str]) -> list[Numbers]:
        return [self.numbers_of(self._tokenizer.pattern.findall(text)) for text in texts]

    def numbers_of(self, words: Iterable[str]) -> Numbers:
        """The numbers of words that are cut already."""
        return np.array([self._number(word) for word in words], dtype=np.int32)

    def text(self, numbers: Iterable[int]) -> str:
        return re.sub(r" ?\n ?", "\n", " ".join(self.tokens[number] for number in numbers))

    def _number(self, word: str) -> int:
        number = self._known.get(self._tokenizer.form(word))
        if number is None:
            number = next((self._shapes[s] for s in shapes_of(word) if s in self._shapes), self._unknown)
        return number


def shapes_of(word: str) -> tuple[str, ...]:
    """The shapes of a word, from the most exact: its letters with its ending, where it has one, and without it."""
    kinds = "0" * any(c.isdigit() for c in word) + "-" * ("-" in word)
    if word[:1].isupper():
        kinds += "AA" if len(word) > 1 and word.isupper() else "Aa"
    elif any(c.isalpha() for c in word):
        kinds += "a"
    kinds = kinds or "."
    ending = word[-3:].lower()
    return (f"<{kinds}-{ending}>", f"<{kinds}>") if len(word) > 3 and ending.isalpha() else (f"<{kinds}>",)
