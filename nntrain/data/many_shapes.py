"""Made-up pictures of shapes, of which each is to be found."""

import torch

from nntrain.batch import Objects
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.scenes import SHAPES, Numbers, scenes
from nntrain.data.shapes import Size
from nntrain.registry import data
from nntrain.settings import Count, Factor, NonNegative, Whole
from nntrain.specs import Image, Instances


@data("many_shapes", within=InMemory)
def many_shapes(
    *,
    examples: Count = 2000,
    size: Size = 64,
    objects: Numbers = [1, 4],  # noqa: B006
    overlap: Factor = 0.3,
    noise: NonNegative = 0.1,
    seed: Whole = 0,
) -> Source:
    """Made-up pictures of circles, squares, triangles and crosses; the targets are class, box and mask of each.

    Boxes and masks are of what is seen of a shape. Later shapes cover earlier ones, though not much where there is
    room; colours say nothing of the class. The pictures are those of the set shapes.
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
    sizes = torch.tensor([[size, size]]).expand(examples, 2)
    there = Objects(made.boxes, made.shapes, torch.zeros_like(made.is_there), sizes, made.masks)
    return Source("many_shapes", Image(3, size, size), Instances(SHAPES, objects[1]), Examples(made.pictures, there))
