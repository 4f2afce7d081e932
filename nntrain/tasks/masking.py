"""Places of a sequence that are to be told from the others."""

from typing import NamedTuple

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Sequences

MULTIPLIER = 0x9E3779B1  # odd, near 2^32 over the golden ratio (Knuth, The Art of Computer Programming, 6.4)
PATTERNS = 256  # of places that evaluation knows: enough to be different for neighbouring examples
MASKED, RANDOM = 0.8, 0.1  # the shares of chosen places that hold the mask, and any token; the rest is as it was


class Masked(NamedTuple):
    """Sequences with some tokens hidden, and which those are (batch, time), IGNORED where none is."""

    inputs: Sequences
    targets: Tensor


class Masking:
    """Chooses a share of the places of each sequence, one at least, and hides what stands there.

    Of the chosen places eight in ten hold the mask, one in ten a token drawn from all, one in ten what it was.
    """

    def __init__(self, share: float, tokens: int, longest: int) -> None:
        """`tokens` are in the vocabulary, and the mask is the number after them."""
        self.share = share
        self.tokens = tokens
        self.longest = longest
        self._patterns: Tensor | None = None

    def __call__(self, given: Sequences) -> Masked:
        """The sequences with places that are drawn anew."""
        return self._masked(given, torch.rand(3, *given.values.shape, device=given.values.device))

    def always_alike(self, given: Sequences) -> Masked:
        """The sequences with places that are the same at every evaluation, in whatever batch one stands.

        The sequence's own tokens choose its pattern.
        """
        if self._patterns is None:
            drawn = torch.rand(3, PATTERNS, self.longest, generator=torch.Generator().manual_seed(0))
            self._patterns = drawn.to(given.values.device)
        time = torch.arange(given.values.shape[1], device=given.values.device) % self.longest
        return self._masked(given, self._patterns[:, _numbers(given)][:, :, time])

    def count(self, given: Sequences) -> Tensor:
        """How many places of each sequence are chosen (batch,)."""
        return (self.share * _lengths(given)).round().long().clamp(min=1)

    def _masked(self, given: Sequences, drawn: Tensor) -> Masked:
        """With uniform numbers (3, batch, time): for the choice of places, what comes there, and which token."""
        values, mask = given.values, given.mask()
        order = drawn[0] if mask is None else drawn[0].masked_fill(~mask, 2.0)
        is_chosen = order.argsort(dim=1).argsort(dim=1) < self.count(given).unsqueeze(1)
        others = (drawn[2] * self.tokens).long()
        hidden = torch.where(drawn[1] < MASKED, self.tokens, torch.where(drawn[1] < MASKED + RANDOM, others, values))
        inputs = Sequences(torch.where(is_chosen, hidden, values), given.lengths)
        return Masked(inputs, values.masked_fill(~is_chosen, IGNORED))


def _lengths(given: Sequences) -> Tensor:
    values, lengths = given
    return torch.full((len(values),), values.shape[1], device=values.device) if lengths is None else lengths


def _numbers(given: Sequences) -> Tensor:
    """A pattern's number for each sequence, by its tokens: the same with any padding."""
    values, mask = given.values, given.mask()
    tokens = values + 1 if mask is None else (values + 1) * mask
    places = 2 * torch.arange(values.shape[1], device=values.device) + 1
    mixed = (tokens * places).sum(dim=1) * MULTIPLIER  # whose upper bits depend on all
    return (mixed >> 16) % PATTERNS
