"""Made-up pictures of coloured shapes, to be described in a sentence."""

from itertools import count
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from nntrain.data.in_memory import Source, as_they_are
from nntrain.data.one_to_many import MARKS, written
from nntrain.data.scenes import COLOURS, SHAPES, Scenes, scenes
from nntrain.registry import data
from nntrain.settings import Count, NonNegative, Whole
from nntrain.specs import Image, OneToMany

CLEAR = 1.5  # how many times as far two shapes are apart in the one direction as in the other
WORDS = (*MARKS, "a", "above", "left", "of", *COLOURS, *SHAPES)
LONGEST = 8  # a red circle left of a blue square
STRIDE = 1_000_003  # between the seeds of the rounds in which pictures are drawn


@data("shape_captions", within=as_they_are)
def shape_captions(
    *, examples: Count = 6000, size: Annotated[int, Ge(16)] = 32, noise: NonNegative = 0.02, seed: Whole = 0
) -> Source:
    """Made-up pictures (3, size, size) of one or two coloured shapes, and what they show, in a sentence of words.

    "a red circle", "a green cross above a yellow square", "a blue triangle left of a red cross"

    Of two shapes the one on the left or on top is named first: on the left where they are at least 1.5 times as far
    apart across as they are up and down, on top the other way round; there are no pictures between these. The metric
    exact_match is the share of pictures that a model which always goes on with its most likely word describes without
    a fault, since each word is predicted from the right ones before it.
    Source: made up here; captions as in Vinyals et al., Show and tell, 2015, arXiv:1411.4555.

    Settings:
        examples: how many pictures, before they are divided
        size: height and width in pixels
        noise: the deviation of what is added to every pixel, whose range is 0 to 1
        seed: of the pictures; not the run's
    """
    shown = _clear_scenes(examples, size, noise, seed)
    inputs = OneToMany(Image(3, size, size), WORDS, LONGEST + 1, "word")
    return written("shape_captions", inputs, shown.pictures, _sentences(shown))


def _clear_scenes(wanted: int, size: int, noise: float, seed: int) -> Scenes:
    """So many scenes of one or two shapes, of which is clear how they lie."""
    found: list[Scenes] = []
    for round_number in count():
        drawn = scenes(wanted, size, [1, 2], 0.0, noise, seed + STRIDE * round_number)
        clear = _are_clear(drawn)
        found.append(Scenes(*(part[clear] for part in drawn)))
        if sum(len(part.pictures) for part in found) >= wanted:
            break
    return Scenes(*(torch.cat(parts)[:wanted] for parts in zip(*found, strict=True)))


def _are_clear(drawn: Scenes) -> Tensor:
    across, down = _apart(drawn).abs().unbind(dim=1)
    return ~drawn.is_there.all(dim=1) | (across >= CLEAR * down) | (down >= CLEAR * across)


def _apart(drawn: Scenes) -> Tensor:
    """How far the second shape lies to the right of the first one, and below it (n, 2)."""
    middles = (drawn.boxes[..., :2] + drawn.boxes[..., 2:]) / 2
    return middles[:, 1] - middles[:, 0]


def _sentences(shown: Scenes) -> list[list[str]]:
    """What is said of each picture, in words."""
    rows = zip(shown.shapes.tolist(), shown.colours.tolist(), shown.is_there.tolist(), strict=True)
    named = [
        [["a", list(COLOURS)[c], SHAPES[s]] for s, c, is_there in zip(*row, strict=True) if is_there] for row in rows
    ]
    return [_sentence(objects, *apart) for objects, apart in zip(named, _apart(shown).tolist(), strict=True)]


def _sentence(objects: list[list[str]], across: float, down: float) -> list[str]:
    """The words for one object, or for two of which the second lies so far to the right of the first, and below it."""
    if len(objects) == 1:
        return objects[0]
    is_across = abs(across) >= abs(down)
    first, second = objects if (across if is_across else down) > 0 else objects[::-1]
    return [*first, *(("left", "of") if is_across else ("above",)), *second]
