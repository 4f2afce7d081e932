"""Made-up pictures of shapes, with what is asked of them: what every pixel shows, or what is there and where."""

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.scenes import ALONE, SHAPES, Numbers, Scenes, scenes
from nntrain.registry import data
from nntrain.settings import Count, Factor, NonNegative, Whole
from nntrain.specs import ClassAndBox, Image, Mask

Size = Annotated[int, Ge(24), Le(1024)]


@data("shapes", within=InMemory)
def shapes(
    *,
    examples: Count = 2000,
    size: Size = 48,
    objects: Numbers = [1, 4],  # noqa: B006
    overlap: Factor = 0.3,
    noise: NonNegative = 0.1,
    seed: Whole = 0,
) -> Source:
    """Made-up pictures of circles, squares, triangles and crosses; the target is what every pixel shows.

    Classes of a pixel are background and the four shapes; colours say nothing of them. Later shapes cover earlier
    ones, though not much where there is room.
    Source: made up here.

    Settings:
        examples: how many pictures
        size: their height and width
        objects: the fewest and the most shapes in a picture
        overlap: how much two shapes may cover each other: 0 for not at all (where there is room), 1 for as it comes
        noise: the deviation of what is added to every pixel; the brightest is 1
        seed: of all that is random
    """
    made = scenes(examples, size, objects, overlap, noise, seed)
    mask = Mask(("background", *SHAPES))
    return Source("shapes", Image(3, size, size), mask, Examples(made.pictures, _classes_of_pixels(made)))


@data("single_shapes", within=InMemory)
def single_shapes(*, examples: Count = 2000, size: Size = 48, noise: NonNegative = 0.1, seed: Whole = 0) -> Source:
    """Made-up pictures of a circle, square, triangle or cross each; the target is which it is, and the box around it.

    The shape has one of four colours and a size of its own, and lies anywhere in the picture, whole.
    Source: made up here.

    Settings:
        examples: how many pictures
        size: their height and width
        noise: the deviation of what is added to every pixel; the brightest is 1
        seed: of all that is random
    """
    made = scenes(examples, size, [1, 1], 0.0, noise, seed, ALONE)
    targets = torch.cat((made.shapes.float(), made.boxes[:, 0]), dim=1)
    described = ClassAndBox(SHAPES, size, size)
    return Source("single_shapes", Image(3, size, size), described, Examples(made.pictures, targets))


def _classes_of_pixels(made: Scenes) -> Tensor:
    """0 for the background, else one more than the number of the shape (n, height, width)."""
    numbers = (made.shapes + 1).clamp(min=0).to(torch.uint8)
    return (numbers[:, :, None, None] * made.masks).sum(dim=1)
