"""Tokens of noise, as many and as different as those that large language models take."""

import torch

from nntrain.batch import Sequences
from nntrain.data.in_memory import Examples, Source, as_they_are
from nntrain.registry import data
from nntrain.settings import Count
from nntrain.specs import Tokens


@data("noise_tokens", within=as_they_are)
def noise_tokens(*, examples: Count = 256, block: Count = 1024, vocabulary: Count = 50257) -> Source:
    """As many tokens of noise, and a few for evaluation, as the step of a large network needs to be timed.

    Source: made up.

    Settings:
        examples: how many blocks
        block: how many tokens a block has
        vocabulary: how many different ones there are
    """
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary, (examples + 8, block + 1), generator=generator)
    x, y = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    few = Examples(Sequences(x[examples:]), y[examples:])
    seen = Tokens(tuple(map(str, range(vocabulary))), block)
    return Source(
        "noise_tokens", seen, seen, Examples(Sequences(x[:examples]), y[:examples]), lambda: few, dev=lambda: few
    )
