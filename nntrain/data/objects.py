"""Pictures with the objects in them, as files describe them; and as tensors of one size."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED, Objects
from nntrain.data.class_folders import Part
from nntrain.errors import UnfitError
from nntrain.specs import Image

MOST_BYTES = 8e9  # of masks, which are kept in memory


@dataclass(frozen=True)
class Found:
    """An object in a picture file: the number of its class, and the edges of its box in the file's pixels.

    outline: of its mask, as COCO's files have it: polygons or run lengths; None where that is not known
    """

    label: int
    box: tuple[float, float, float, float]
    is_crowd: bool = False
    outline: Any = None


@dataclass(frozen=True)
class Annotated:
    """A picture file of this height and width, and the objects in it."""

    file: Path
    height: int
    width: int
    part: Part
    objects: list[Found] = field(default_factory=list)


def as_tensors(pictures: Sequence[Annotated], size: Image, with_masks: bool) -> Objects:
    """The objects in pictures that are scaled to a size; UnfitError where their masks would take too much memory."""
    most = max((len(picture.objects) for picture in pictures), default=0)
    shape = (len(pictures), most)
    if with_masks and (needed := len(pictures) * most * size.height * size.width) > MOST_BYTES:
        raise UnfitError(
            f"masks of {len(pictures):,} pictures with up to {most} objects would take {needed / 1e9:.0f} GB at "
            f"{size.height}x{size.width} pixels, and at most {MOST_BYTES / 1e9:.0f} GB are kept; take a smaller size",
            "masks",
        )
    boxes, labels = np.zeros((*shape, 4), dtype=np.float32), np.full(shape, IGNORED)
    crowds = np.zeros(shape, dtype=bool)
    masks = torch.zeros(*shape, size.height, size.width, dtype=torch.bool) if with_masks else None
    for i, picture in enumerate(pictures):
        scale = np.array([size.width / picture.width, size.height / picture.height] * 2)
        for j, found in enumerate(picture.objects):
            boxes[i, j], labels[i, j], crowds[i, j] = np.array(found.box) * scale, found.label, found.is_crowd
            if masks is not None:
                masks[i, j] = mask_of(found.outline, picture, size)
    sizes = torch.tensor([[picture.height, picture.width] for picture in pictures]).view(-1, 2)
    known = [torch.from_numpy(part) for part in (boxes, labels, crowds)]
    return Objects(known[0], known[1], known[2], sizes, masks)


def mask_of(outline: Any, picture: Annotated, size: Image) -> Tensor:
    """The mask of an object (height, width) at a size: True where half of what a pixel covers is the object's.

    ValueError where the outline is neither polygons nor run lengths of the picture's size.
    """
    from pycocotools import mask

    if isinstance(outline, list):
        parts = mask.merge(mask.frPyObjects(outline, picture.height, picture.width))
    elif isinstance(outline["counts"], list):
        parts = mask.frPyObjects(outline, picture.height, picture.width)
    else:
        parts = outline
    whole: np.ndarray[Any, Any] = mask.decode(parts)
    shares = F.interpolate(torch.from_numpy(whole)[None, None].float(), (size.height, size.width), mode="area")
    return shares[0, 0] >= 0.5
