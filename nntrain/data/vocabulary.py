"""Vocabularies in checkpoints: learned once from the training set, made again for whatever comes later."""

from collections.abc import Mapping, Sequence
from typing import Any

from nntrain.errors import UnfitError
from nntrain.schema import Component
from nntrain.tokenizers import Vocabulary


def learned(tokenizer: Component, texts: Sequence[str], special: Sequence[str] = ()) -> Vocabulary:
    """The vocabulary of texts; UnfitError, with the tokenizer's path, where there can be none."""
    made = tokenizer()
    try:
        vocabulary: Vocabulary = made.learn(texts, special)
    except UnfitError as error:
        error.locate(tokenizer.path)
        raise
    return vocabulary


def facts_of(tokenizer: Component, vocabulary: Vocabulary) -> dict[str, Any]:
    """What a checkpoint is to hold of a vocabulary beside its tokens."""
    return {"settings": tokenizer.plain, **vocabulary.facts}


def restored(tokenizer: Component, tokens: Sequence[str], facts: Mapping[str, Any], special: int = 0) -> Vocabulary:
    """The vocabulary of a checkpoint; UnfitError where the config names another tokenizer than it was trained with."""
    if facts.get("settings") != tokenizer.plain:
        raise UnfitError("the checkpoint was trained with another tokenizer; leave this setting out", "tokenizer")
    vocabulary: Vocabulary = tokenizer().restore(tokens, facts, special)
    return vocabulary
