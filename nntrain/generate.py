"""Text from a language model, a token at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from nntrain.batch import Sequences
from nntrain.forms.decoder import Decoder
from nntrain.network import Network

Following = Callable[[Tensor, Tensor], Tensor]  # logits (batch, vocabulary) after a text, and what of it is new


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
        drawn = torch.multinomial(
            chances.masked_fill((reached >= self.top_p) & (reached > 0), 0), 1, generator=generator
        )
        return tokens.gather(1, drawn).squeeze(1)


@torch.no_grad()
def generate(
    model: Network,
    prompt: Tensor,
    length: int,
    sampling: Sampling = Sampling(),
    generator: Generator | None = None,
    context: int | None = None,
) -> Tensor:
    """A prompt (batch, time), at least one token long, and `length` tokens more, by a language model in eval mode.

    Where the text grows longer than the sequences of the training, a decoder goes on from the last half of what it
    can see; another network sees the last `context` tokens at every step, or all of them.
    """
    following = _cached(model, model.body) if isinstance(model.body, Decoder) else _anew(model, context)
    text = fresh = prompt
    for _ in range(length):
        fresh = sampling.draw(following(text, fresh), generator).unsqueeze(1)
        text = torch.cat((text, fresh), dim=1)
    return text


def _cached(model: Network, body: Decoder) -> Following:
    """Keys and values of what was seen are kept, so that each step computes one position."""
    caches = body.new_caches()

    def following(text: Tensor, fresh: Tensor) -> Tensor:
        nonlocal caches
        if text is fresh:
            fresh = text[:, -body.context :]
        elif caches[0].length + fresh.shape[1] > body.context:
            fresh, caches = text[:, -max(1, body.context // 2) :], body.new_caches()
        return model.head(body(Sequences(fresh), caches)[:, -1])

    return following


def _anew(model: Network, context: int | None) -> Following:
    """All that the network sees is computed at every step."""

    def following(text: Tensor, fresh: Tensor) -> Tensor:
        logits: Tensor = model(Sequences(text if context is None else text[:, -context:]))
        if logits.dim() != 3:
            name = type(model.body).__name__
            raise TypeError(f"only a language model goes on with a text, not {name} for other targets")
        return logits[:, -1]

    return following
