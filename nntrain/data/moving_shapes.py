"""Made-up videos whose class is a motion."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.registry import data
from nntrain.settings import Count, NonNegative, Whole
from nntrain.specs import Classes, Video

DIRECTIONS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}  # pixels (y, x) a frame


@data("moving_shapes", within=InMemory)
def moving_shapes(
    *,
    examples: Count = 1200,
    frames: Annotated[int, Ge(2)] = 8,
    side: Annotated[int, Ge(12)] = 16,
    noise: NonNegative = 0.2,
    seed: Whole = 0,
) -> Source:
    """Made-up videos (1, frames, side, side) of a square, a disc or a cross; the class is the direction it moves in.

    The shape moves by one pixel a frame, and what leaves the picture comes in again at the other side. Shape and
    first place are random, so that a single frame, or all of them in another order, says nothing of the class.
    Source: made up here, after the moving digits of Srivastava, Mansimov, Salakhutdinov, 2015, arXiv:1502.04681.

    Settings:
        examples: how many videos
        frames: the length of each
        side: the height and width
        noise: the deviation of what is added to every pixel; the shape is 1, the rest 0
        seed: of shapes, places, directions and noise
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randint(len(DIRECTIONS), (examples,), generator=generator)
    shapes = _shapes(side)[torch.randint(3, (examples,), generator=generator)]
    starts = torch.randint(side, (examples, 1, 2), generator=generator)
    steps = torch.tensor(list(DIRECTIONS.values()))[directions].unsqueeze(1)
    places = starts + steps * torch.arange(frames).view(1, -1, 1)
    videos = _drawn(shapes, places).unsqueeze(1)
    videos += noise * torch.randn(videos.shape, generator=generator)
    video = Video(1, frames, side, side)
    return Source("moving_shapes", video, Classes(tuple(DIRECTIONS)), Examples(videos, directions))


def _shapes(side: int) -> Tensor:
    """A square, a disc and a cross (3, side, side) around the corner of the picture, whose ends meet."""
    axis = torch.arange(side)
    distance = torch.minimum(axis, side - axis).float()
    y, x = distance[:, None], distance[None, :]
    radius = side / 6
    square = torch.maximum(y, x) <= radius
    disc = y.square() + x.square() <= (1.3 * radius) ** 2
    cross = (torch.minimum(y, x) < radius / 2) & (torch.maximum(y, x) <= 1.5 * radius)
    return torch.stack((square, disc, cross)).float()


def _drawn(shapes: Tensor, places: Tensor) -> Tensor:
    """Each shape (n, side, side) at its places (n, frames, 2): (n, frames, side, side)."""
    axis = torch.arange(shapes.shape[1])
    y, x = ((axis - place.unsqueeze(-1)) % len(axis) for place in places.unbind(dim=2))
    example = torch.arange(len(shapes)).view(-1, 1, 1, 1)
    return shapes[example, y.unsqueeze(-1), x.unsqueeze(-2)]
