"""From a source to a target, a token at a time."""

import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.forms.encoder_decoder import EncoderDecoder
from nntrain.network import Network
from nntrain.specs import Pairs


@torch.no_grad()
def translate(model: Network, source: Sequences) -> Sequences:
    """The most likely token after those before it, again and again, by an encoder-decoder in eval mode.

    Returns the targets without their begin and with their end, where they have one before they are as long as the
    longest of the training.
    """
    body = model.body
    if not isinstance(body, EncoderDecoder):
        raise TypeError(f"only an encoder-decoder translates, not {type(body).__name__}")
    memory, caches = body.encode(source), body.new_caches()
    token = source.values.new_full((len(source.values), 1), Pairs.begin)
    tokens: list[Tensor] = []
    for _ in range(body.context):
        token = model.head(body.decode(Sequences(token), memory, caches)).argmax(dim=-1)
        tokens.append(token)
    target = torch.cat(tokens, dim=1)
    ends = (target == Pairs.end).long()
    return Sequences(target, (ends.cumsum(dim=1) - ends == 0).sum(dim=1))
