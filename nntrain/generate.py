"""Text from a language model, a token at a time."""

from dataclasses import dataclass

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
        drawn = torch.multinomial(chances.masked_fill(reached >= self.top_p, 0), 1, generator=generator)
        return tokens.gather(1, drawn).squeeze(1)


@torch.no_grad()
def generate(
    model: Network,
    prompt: Tensor,
    length: int,
    sampling: Sampling = Sampling(),
    generator: Generator | None = None,
) -> Tensor:
    """A prompt (batch, time), at least one token long, and `length` tokens more, by a decoder in eval mode.

    Keys and values of what was seen are kept, so that each step computes one position. Where the text grows longer
    than the sequences of the training, the model goes on from the last half of what it can see.
    """
    body = model.body
    if not isinstance(body, Decoder):
        raise TypeError(f"only a decoder goes on with a text, not {type(body).__name__}")
    text, fresh, caches = prompt, prompt[:, -body.context :], body.new_caches()
    for _ in range(length):
        if caches[0].length + fresh.shape[1] > body.context:
            fresh, caches = text[:, -max(1, body.context // 2) :], body.new_caches()
        logits = model.head(body(Sequences(fresh), caches)[:, -1])
        fresh = sampling.draw(logits, generator).unsqueeze(1)
        text = torch.cat((text, fresh), dim=1)
    return text
