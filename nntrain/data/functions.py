"""Made-up values of functions."""

import math

import torch

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.settings import Count, NonNegative, Positive, Whole
from nntrain.specs import Values, Vector


@data("sine", within=InMemory)
def sine(*, examples: Count = 400, periods: Positive = 1.0, noise: NonNegative = 0.0, seed: Whole = 0) -> Source:
    """Points of a sine: one number in, one out.

    y = sin(x) + noise, x from -pi periods to pi periods at even distances

    Source: the usual example of universal approximation: Cybenko, Approximation by superpositions of a sigmoidal
    function, 1989.

    Settings:
        examples: how many
        periods: how many waves
        noise: the deviation of the normal noise in y
        seed: of the noise
    """
    x = torch.linspace(-math.pi * periods, math.pi * periods, examples).unsqueeze(1)
    y = x.sin() + noise * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    return Source("sine", Vector(1), Values(("y",)), Examples(x, y))
