"""Made-up points of the plane, or of some more dimensions, in classes of known shape."""

import math

import torch
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source, as_they_are
from nntrain.registry import data
from nntrain.settings import Count, NonNegative, Positive, Whole
from nntrain.specs import Classes, Vector


@data("separable", within=as_they_are)
def separable(*, examples: Count = 200, features: Count = 2, margin: Positive = 0.1, seed: Whole = 0) -> Source:
    """Points on both sides of a hyperplane through the origin, none nearer to it than the margin.

    x normal; t = 1 where u x > 0, else 0; then x is moved away from the plane by margin u, |u| = 1 at random

    Source: the set that the perceptron convergence theorem speaks of: Novikoff, On convergence proofs for
    perceptrons, 1962.

    Settings:
        examples: how many
        features: the number of dimensions
        margin: how far from the plane the nearest point may lie
        seed: of the points
    """
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(examples, features, generator=generator)
    direction = torch.randn(features, generator=generator)
    direction /= direction.norm()
    is_above = points @ direction > 0
    points += torch.where(is_above, margin, -margin)[:, None] * direction
    return Source("separable", Vector(features), Classes(("below", "above")), Examples(points, is_above.long()))


@data("two_moons", within=InMemory)
def two_moons(*, examples: Count = 400, noise: NonNegative = 0.1, seed: Whole = 0) -> Source:
    """Two half circles that reach into each other: classes that no line separates.

    (cos a, sin a) and (1 - cos a, 1/2 - sin a), a from 0 to pi, plus noise

    Source: as sklearn.datasets.make_moons.

    Settings:
        examples: how many, half of them in each class
        noise: the deviation of the normal noise in each coordinate
        seed: of the points
    """
    labels = torch.arange(examples) % 2
    generator = torch.Generator().manual_seed(seed)
    angle = math.pi * torch.rand(examples, generator=generator)
    upper = torch.stack((angle.cos(), angle.sin()), dim=1)
    lower = torch.stack((1 - angle.cos(), 0.5 - angle.sin()), dim=1)
    points = _noisy(torch.where(labels[:, None] == 0, upper, lower), noise, generator)
    return Source("two_moons", Vector(2), Classes(("upper", "lower")), Examples(points, labels))


@data("spirals", within=InMemory)
def spirals(
    *, examples: Count = 400, arms: Count = 2, turns: Positive = 1.5, noise: NonNegative = 0.02, seed: Whole = 0
) -> Source:
    """Spirals that wind around each other, one for each class: hard for networks with few layers.

    r (cos a, sin a), a = 2 pi (turns r + arm / arms), r from 0 to 1, plus noise

    Source: Lang, Witbrock, Learning to tell two spirals apart, 1988.

    Settings:
        examples: how many, the same number on each arm
        arms: the number of spirals
        turns: how often each winds around the origin
        noise: the deviation of the normal noise in each coordinate
        seed: of the points
    """
    labels = torch.arange(examples) % arms
    generator = torch.Generator().manual_seed(seed)
    radius = torch.rand(examples, generator=generator).sqrt()  # as many points on each part of an arm's length
    angle = 2 * math.pi * (turns * radius + labels / arms)
    points = _noisy(radius[:, None] * torch.stack((angle.cos(), angle.sin()), dim=1), noise, generator)
    return Source("spirals", Vector(2), Classes(tuple(f"arm {i + 1}" for i in range(arms))), Examples(points, labels))


@data("ring", within=as_they_are)
def ring(
    *,
    examples: Count = 2000,
    modes: Count = 8,
    radius: Positive = 2.0,
    deviation: Positive = 0.02,
    seed: Whole = 0,
) -> Source:
    """Points from a mixture of normal distributions whose means lie on a circle, all of which a generator is to find.

    x = radius (cos a, sin a) + noise, a = 2 pi mode / modes

    Source: Metz, Poole, Pfau, Sohl-Dickstein, Unrolled generative adversarial networks, 2017, arXiv:1611.02163.

    Settings:
        examples: how many, the same number of each mode
        modes: how many normal distributions
        radius: of the circle
        deviation: of each distribution, in both coordinates
        seed: of the points
    """
    labels = torch.arange(examples) % modes
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * labels / modes
    points = _noisy(radius * torch.stack((angle.cos(), angle.sin()), dim=1), deviation, generator)
    return Source("ring", Vector(2), Classes(tuple(f"mode {i + 1}" for i in range(modes))), Examples(points, labels))


def _noisy(points: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    return points + deviation * torch.randn(points.shape, generator=generator)
