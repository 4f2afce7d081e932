"""Text from a language model, a token at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from nntrain.batch import Sequences
from nntrain.forms.decoder import Decoder
from nntrain.network import Network


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is drawn from softmax(logits / temperature).

    temperature: 0 takes the most likely token
    top_k: only the k most likely tokens are drawn; None for all
    top_p: only the most likely tokens whose probabilities together reach p (Holtzman et al. 2020, arXiv:1904.09751)
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def draw(self, logits: Tensor, generator: Generator | None = None) -> Tensor:
        """A token (batch,) for each row of logits (batch, vocabulary)."""
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        likely, tokens = torch.sort(logits.float() / self.temperature, dim=-1, descending=True, stable=True)
        likely, tokens = likely[:, : self.top_k], tokens[:, : self.top_k]
        chances = likely.softmax(dim=-1)
        reached = chances.cumsum(dim=-1) - chances  # by the more likely tokens: 0 for the first, which so is kept
        is_beyond = (reached >= self.top_p) & (reached > 0)
        drawn = torch.multinomial(chances.masked_fill(is_beyond, 0), 1, generator=generator)
        return tokens.gather(1, drawn).squeeze(1)


@torch.no_grad()
def generate(
    model: Network,
    prompt: Tensor,
    length: int,
    sampling: Sampling = Sampling(),
    generator: Generator | None = None,
    context: int = 128,
    source: Any = None,
) -> Tensor:
    """A prompt (batch, time), at least one token long, and `length` tokens more, by a language model in eval mode.

    A decoder keeps keys and values of what it has seen, so that each step computes one position; where the text grows
    longer than the sequences of the training, it goes on from the last half of what it can see. One that writes of a
    source (batch, ...) keeps its state; the prompt is then the mark of the beginning. Any other model reads the last
    `context` tokens anew at each step.
    """
    see: Callable[[Tensor], Tensor]
    if source is not None:
        see = _Written(model, source)
    else:
        see = _Cached(model) if isinstance(model.body, Decoder) else partial(_anew, model, context)
    text = prompt
    for _ in range(length):
        text = torch.cat((text, sampling.draw(see(text), generator).unsqueeze(1)), dim=1)
    return text


class _Cached:
    """The logits (batch, vocabulary) of the token after a text that grows, by a decoder."""

    def __init__(self, model: Network) -> None:
        assert isinstance(model.body, Decoder)
        self._body, self._head = model.body, model.head
        self._caches = self._body.new_caches()
        self._seen = 0

    def __call__(self, text: Tensor) -> Tensor:
        context = self._body.context
        fresh = text[:, max(self._seen, text.shape[1] - context) :]
        if self._caches[0].length + fresh.shape[1] > context:
            fresh, self._caches = text[:, -max(1, context // 2) :], self._body.new_caches()
        self._seen = text.shape[1]
        return self._head(self._body(Sequences(fresh), self._caches)[:, -1])


class _Written:
    """The logits (batch, vocabulary) of the token after what is written of sources, by a model that is told of them."""

    def __init__(self, model: Network, source: Any) -> None:
        self._body: Any = model.body
        begun: Any = model.body.begun
        self._head: Any = model.head
        self._state: Any = begun(source)

    def __call__(self, text: Tensor) -> Tensor:
        return self._head(self._body.follow(text[:, -1:], self._state)[:, -1])


def _anew(model: Network, context: int, text: Tensor) -> Tensor:
    """As `_Cached`, by any language model."""
    logits = model(Sequences(text[:, -context:]))
    if logits.dim() != 3:
        raise TypeError(f"only a language model goes on with a text, not {type(model.body).__name__} for other targets")
    return logits[:, -1]
