"""A tokenizer that was made elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tokenizers import Tokenizer

from nntrain.errors import UnfitError
from nntrain.registry import tokenizer
from nntrain.settings import PathText
from nntrain.tokenizers import Numbers


@tokenizer("file")
class FromFile:
    """The tokens of a `tokenizer.json`, as Hugging Face's tokenizers library writes it; nothing is learned.

    The checkpoint holds the whole of it, so that the file is needed in training only.
    Source: Hugging Face, https://huggingface.co/docs/tokenizers.

    Settings:
        path: the file
    """

    def __init__(self, *, path: PathText) -> None:
        self.path = path

    def learn(self, texts: Sequence[str], special: Sequence[str] = ()) -> "ReadVocabulary":
        try:
            content = Path(self.path).read_text(encoding="utf-8")
            made = Tokenizer.from_str(content)
        except OSError as error:
            raise UnfitError(f"{self.path} cannot be read: {error.strerror}", "path") from None
        except Exception as error:  # the library raises nothing more exact
            raise UnfitError(f"{self.path} is no tokenizer of the tokenizers library: {error}", "path") from None
        size = made.get_vocab_size(with_added_tokens=True)
        tokens = [made.id_to_token(number) or f"<{number}>" for number in range(size)]
        return ReadVocabulary((*special, *tokens), len(special), content)

    def restore(self, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> "ReadVocabulary":
        return ReadVocabulary(tuple(tokens), special, facts["json"])


class ReadVocabulary:
    """Special tokens, and those of the file."""

    unit: ClassVar[str] = "token"

    def __init__(self, tokens: tuple[str, ...], special: int, content: str) -> None:
        self.tokens = tokens
        self.facts = {"json": content}
        self._special = special
        self._made = Tokenizer.from_str(content)
        self._made.no_padding()
        self._made.no_truncation()

    def numbers(self, texts: Sequence[str]) -> list[Numbers]:
        encoded = self._made.encode_batch(list(texts), add_special_tokens=False)
        return [np.array(one.ids, dtype=np.int32) + self._special for one in encoded]

    def text(self, numbers: Iterable[int]) -> str:
        kept = [number - self._special for number in numbers if number >= self._special]
        return self._made.decode(kept, skip_special_tokens=True)
