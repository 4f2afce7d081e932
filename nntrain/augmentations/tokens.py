"""Tokens that are left out, or replaced by others."""

from typing import Any

import torch
from torch import Tensor

from nntrain.augmentations import drawn, whole
from nntrain.batch import Pair, Sequences
from nntrain.errors import UnfitError
from nntrain.registry import augmentation
from nntrain.settings import Probability
from nntrain.specs import Pairs, Targets, Tokens
from nntrain.suggest import nearest


@augmentation("drop_tokens")
class DropTokens:
    """Leaves out tokens at random; those that stay move together.

    P(x_t stays) = 1 - share, and at least one of each sequence does

    Of pairs, tokens of the source are dropped.
    Source: Iyyer, Manjunatha, Boyd-Graber, Daume, Deep unordered composition rivals syntactic methods for text
    classification, 2015, section 3.1 (word dropout).

    Settings:
        share: the probability that a token is left out
    """

    def __init__(self, inputs: Tokens | Pairs, targets: Targets, *, share: Probability = 0.1) -> None:
        if isinstance(inputs, Tokens) and targets.per_position:
            raise UnfitError("drop_tokens moves tokens, but each of these has a target of its own; use replace_tokens")
        self._share = share

    def __call__(self, inputs: Any) -> Any:
        return _of_source(inputs, self._dropped)

    def _dropped(self, tokens: Sequences) -> Sequences:
        values, is_token = tokens.values, _is_token(tokens)
        chances = drawn(values, 0.0, 1.0, values.shape[1]).masked_fill(~is_token, -1.0)
        is_kept = (chances >= self._share) | (chances == chances.amax(dim=1, keepdim=True)) & is_token
        order = (~is_kept).to(torch.uint8).argsort(dim=1, stable=True)
        return Sequences(values.gather(1, order), is_kept.sum(dim=1))


@augmentation("replace_tokens")
class ReplaceTokens:
    """Replaces tokens at random: by one that stands for all unknown ones, or by any.

    x'_t = r_t with probability `share`, r_t the token `by` or uniform over the vocabulary

    Targets stay as they are, so that a language model has to go on where a token before is not known. Of pairs,
    tokens of the source are replaced.
    Source: Bowman et al., Generating sentences from a continuous space, 2015, arXiv:1511.06349, section 3.1; at
    random: Xie et al., Data noising as smoothing in neural network language models, 2017, arXiv:1703.02573.

    Settings:
        share: the probability that a token is replaced
        by: the token of the vocabulary that replaces it, such as <unk>; left out, one that is drawn at random
    """

    def __init__(self, inputs: Tokens | Pairs, *, share: Probability = 0.1, by: str | None = None) -> None:
        vocabulary = inputs.source if isinstance(inputs, Pairs) else inputs.vocabulary
        if by is not None and by not in vocabulary:
            near = nearest(by, vocabulary)
            hint = f"did you mean '{near}'?" if near else "leave it out for tokens drawn at random"
            raise UnfitError(f"no token of the vocabulary is '{by}'; {hint}", "by")
        self._share = share
        self._tokens = len(vocabulary)
        self._by = None if by is None else vocabulary.index(by)

    def __call__(self, inputs: Any) -> Any:
        return _of_source(inputs, self._replaced)

    def _replaced(self, tokens: Sequences) -> Sequences:
        values = tokens.values
        is_replaced = (drawn(values, 0.0, 1.0, values.shape[1]) < self._share) & _is_token(tokens)
        if self._by is not None:
            return Sequences(values.masked_fill(is_replaced, self._by), tokens.lengths)
        others = whole(values, self._tokens, values.shape[1]).to(values.dtype)
        return Sequences(torch.where(is_replaced, others, values), tokens.lengths)


def _of_source(inputs: Any, change: Any) -> Any:
    return Pair(change(inputs.source), inputs.target) if isinstance(inputs, Pair) else change(inputs)


def _is_token(tokens: Sequences) -> Tensor:
    """True where there is no padding (batch, time)."""
    mask = tokens.mask()
    return torch.ones_like(tokens.values, dtype=torch.bool) if mask is None else mask
