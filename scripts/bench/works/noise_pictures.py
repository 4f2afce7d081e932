"""Pictures of noise, as large as those that networks for photographs take."""

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.settings import Count
from nntrain.specs import Classes, Image


@data("noise_pictures", within=InMemory)
def noise_pictures(*, examples: Count = 240) -> Source:
    """As many pictures of noise, and a few for evaluation, as the step of a large network needs to be timed.

    Source: made up.

    Settings:
        examples: how many
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(examples + 8, 3, 224, 224, generator=generator)
    y = torch.randint(10, (examples + 8,), generator=generator)
    few = Examples(x[examples:], y[examples:])
    train = Examples(x[:examples], y[:examples])
    classes = tuple(map(str, range(10)))
    return Source("noise_pictures", Image(3, 224, 224), Classes(classes), train, lambda: few, dev=lambda: few)
