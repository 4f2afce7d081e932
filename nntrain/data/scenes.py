"""Made-up pictures of coloured shapes, of which all is known: what each is, where, and which of its pixels are seen."""

import math
from typing import Annotated, NamedTuple

import torch
from annotated_types import Len
from torch import Tensor

from nntrain import boxes
from nntrain.batch import IGNORED
from nntrain.errors import UnfitError
from nntrain.settings import Count

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = {
    "red": (0.9, 0.2, 0.2),
    "green": (0.2, 0.8, 0.25),
    "blue": (0.25, 0.35, 0.95),
    "yellow": (0.9, 0.85, 0.2),
}
Radii = tuple[float, float]  # of the circles around shapes, smallest and largest, in sides of the picture
SEVERAL: Radii = (0.12, 0.22)  # where there are several in a picture
ALONE: Radii = (0.15, 0.35)
TRIES = 10  # for a place that leaves enough of the others to be seen
SEEN = 0.25  # of its pixels: a shape of which less is seen is not there
ABSENT = IGNORED  # in place of the shape and the colour of an object that is not there

Numbers = Annotated[list[Count], Len(2, 2)]  # of objects in a picture: fewest and most


class Scenes(NamedTuple):
    """Pictures, and the objects in them from the back to the front.

    Of a picture with fewer objects than the most there are, those that are not there stand anywhere among the
    others: their shape and colour are ABSENT, their box is 0 and their mask is empty.

    pictures: pixels from 0 to 1 (n, 3, size, size)
    shapes: of each object the number of its name in SHAPES (n, most)
    colours: the number of its name in COLOURS (n, most)
    boxes: around what is seen of it: left, top, right and bottom edge in pixels (n, most, 4)
    masks: True where it is seen (n, most, size, size)
    """

    pictures: Tensor
    shapes: Tensor
    colours: Tensor
    boxes: Tensor
    masks: Tensor

    @property
    def is_there(self) -> Tensor:
        """Which of the objects are there (n, most)."""
        return self.shapes != ABSENT


def scenes(
    examples: int, size: int, objects: list[int], overlap: float, noise: float, seed: int, radii: Radii = SEVERAL
) -> Scenes:
    """Scenes whose number of objects is uniform from `objects[0]` to `objects[1]`, reproducible by the seed.

    Shapes and colours are equally likely, whatever the others are. Where there is room, the circles around two shapes
    overlap by no more than the share `overlap` of the distance at which they touch; a shape that is nearly hidden is
    left out. The background is of one dark colour; normal noise is added to every pixel.
    """
    fewest, most = objects
    if fewest > most:
        raise UnfitError(f"expected the smaller number first, found {objects}", "objects")
    generator = torch.Generator().manual_seed(seed)
    shapes = torch.randint(len(SHAPES), (examples, most), generator=generator)
    colours = torch.randint(len(COLOURS), (examples, most), generator=generator)
    reach = size * _uniform(generator, *radii, examples, most)
    middles = _places(reach, size, overlap, generator)
    numbers = torch.randint(fewest, most + 1, (examples, 1), generator=generator)
    full = _drawn(shapes, middles, reach, size) & (torch.arange(most) < numbers)[:, :, None, None]
    is_hidden = _areas(_seen(full)) < SEEN * _areas(full)
    masks = _seen(full & ~is_hidden[:, :, None, None])
    is_there = _areas(masks) > 0
    pictures = _painted(masks, colours, noise, generator)
    shapes, colours = (numbers.masked_fill(~is_there, ABSENT) for numbers in (shapes, colours))
    return Scenes(pictures, shapes, colours, boxes.around(masks), masks)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=generator)


def _places(radii: Tensor, size: int, overlap: float, generator: torch.Generator) -> Tensor:
    """The middle (x, y) of each object (n, most, 2), inside of the picture.

    Of some draws the first that is far enough from all objects before it, or the farthest where none is.
    """
    examples, most = radii.shape
    draws = torch.rand(examples, most, TRIES, 2, generator=generator)
    draws = radii[:, :, None, None] + draws * (size - 2 * radii[:, :, None, None])
    chosen = draws[:, :1, 0]
    for i in range(1, most):
        distance = (draws[:, i, :, None] - chosen[:, None]).square().sum(dim=-1).sqrt()  # (n, tries, objects before)
        room = (distance / (radii[:, i : i + 1] + radii[:, :i])[:, None]).amin(dim=-1)  # 1 where they touch
        best = room.clamp(max=1 - overlap).argmax(dim=1)
        chosen = torch.cat((chosen, draws[torch.arange(examples), i, best][:, None]), dim=1)
    return chosen


def _drawn(shapes: Tensor, middles: Tensor, radii: Tensor, size: int) -> Tensor:
    """True inside of each shape (n, most, size, size), as if it were alone."""
    masks = torch.empty(*shapes.shape, size, size, dtype=torch.bool)
    for number, name in enumerate(SHAPES):
        its = shapes == number
        pixels = torch.arange(size) + 0.5
        x, y = ((pixels - middle[:, None]) / radii[its][:, None] for middle in middles[its].unbind(dim=1))
        masks[its] = _inside(name, x[:, None, :], y[:, :, None])
    return masks


def _inside(shape: str, x: Tensor, y: Tensor) -> Tensor:
    """Which places, to the right and down from the middle, are in a shape whose corners are 1 away from it."""
    match shape:
        case "circle":
            return x.square() + y.square() <= 1
        case "square":
            return (x.abs() <= math.sqrt(0.5)) & (y.abs() <= math.sqrt(0.5))
        case "triangle":  # its top at y = -1
            return (y <= 0.5) & (x.abs() <= (y + 1) / math.sqrt(3))
    arms = (x.abs() <= 0.3) & (y.abs() <= 0.95), (y.abs() <= 0.3) & (x.abs() <= 0.95)
    return arms[0] | arms[1]


def _seen(full: Tensor) -> Tensor:
    """What later objects leave to be seen of each."""
    seen, covered = full.clone(), torch.zeros_like(full[:, 0])
    for i in reversed(range(full.shape[1])):
        seen[:, i] &= ~covered
        covered |= full[:, i]
    return seen


def _areas(masks: Tensor) -> Tensor:
    """How many pixels are True in each (n, most)."""
    return masks.flatten(2).sum(dim=2)


def _painted(masks: Tensor, colours: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Each object in its colour, some lighter than others, on a dark background."""
    examples, most, size, _ = masks.shape
    light = _uniform(generator, 0.7, 1.0, examples, most, 1)
    paint = torch.tensor(list(COLOURS.values()))[colours] * light
    background = _uniform(generator, 0.0, 0.4, examples, 3)
    pictures = background[:, :, None, None].repeat(1, 1, size, size)
    for i in range(most):
        pictures = torch.where(masks[:, None, i], paint[:, i, :, None, None], pictures)
    return pictures.add_(noise * torch.randn(pictures.shape, generator=generator)).clamp_(0, 1)
