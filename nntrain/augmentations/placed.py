"""Pictures whose targets have places in them: masks and boxes are moved with the pixels."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from nntrain.augmentations import Augmentation, Moving, over
from nntrain.batch import IGNORED, Batch
from nntrain.boxes import areas, around, filled
from nntrain.errors import UnfitError
from nntrain.specs import Boxes, ClassAndBox, Instances, Mask, Targets

LEFT = 0.1  # of a box's area: of an object of which less would be left, the picture stays as it was


def together(name: str, augmentation: Augmentation, targets: Targets) -> Callable[[Batch], Batch]:
    """Changes inputs, and with them targets that have places; UnfitError where they cannot be changed alike."""
    move = PLACED.get(type(targets))
    if move is None or getattr(augmentation, "leaves_places", False):
        return partial(_inputs_alone, augmentation)
    if not isinstance(augmentation, Moving):
        raise UnfitError(
            f"{name} moves pixels, but cannot move {targets.plural} with them; of those that can, such as affine, "
            "crop and flip, and those that leave pixels where they are, such as colour and noise, take some"
        )
    return partial(move, augmentation)


def _inputs_alone(augmentation: Augmentation, batch: Batch) -> Batch:
    return batch._replace(inputs=augmentation(batch.inputs))


def _with_masks(augmentation: Moving, batch: Batch) -> Batch:
    """Each pixel of a mask is as one of the old ones; IGNORED is what comes in, or is covered."""
    move = augmentation.move(batch.inputs)
    labels = (batch.targets - IGNORED).to(batch.inputs.dtype)  # 0 for those IGNORED, as for what comes in
    moved = move(labels.unsqueeze(1), nearest=True).squeeze(1)
    return batch._replace(inputs=move(batch.inputs), targets=moved.long() + IGNORED)


def _with_box(augmentation: Moving, batch: Batch) -> Batch:
    """The new box is around what the pixels of the old one have become."""
    images, boxes = batch.inputs, batch.targets[:, 1:]
    move = augmentation.move(images)
    inside = filled(boxes, *images.shape[-2:]).unsqueeze(1)
    moved = around(move(inside.to(images.dtype), nearest=True).squeeze(1) > 0).to(boxes)
    is_left = areas(moved) >= LEFT * areas(boxes)
    targets = torch.where(is_left.unsqueeze(1), torch.cat((batch.targets[:, :1], moved), dim=1), batch.targets)
    return batch._replace(inputs=torch.where(over(is_left, images), move(images), images), targets=targets)


def _with_objects(augmentation: Moving, batch: Batch) -> Batch:
    """Masks are moved pixel by pixel, and so are boxes without masks; the new boxes are around what they have become.

    Of what hardly anything is left is no object any more.
    """
    images, objects = batch.inputs, batch.targets
    move = augmentation.move(images)
    inside = filled(objects.boxes, *images.shape[-2:]) if objects.masks is None else objects.masks
    pixels = inside.flatten(2)
    numbers = torch.arange(1.0, pixels.shape[2] + 1, device=images.device).view(1, 1, *images.shape[-2:])
    sources = move(numbers.repeat(len(images), 1, 1, 1), nearest=True).long()  # 0 for what comes in, or is covered
    moved = F.pad(pixels, (1, 0)).gather(2, sources.flatten(2).expand_as(pixels)).view_as(inside)
    is_left = moved.sum(dim=(2, 3)) >= (LEFT * inside.sum(dim=(2, 3))).clamp(min=1)
    changed = objects._replace(
        boxes=torch.where(is_left.unsqueeze(-1), around(moved), 0.0),
        labels=objects.labels.masked_fill(~is_left, IGNORED),
        masks=None if objects.masks is None else moved & is_left[..., None, None],
    )
    return batch._replace(inputs=move(images), targets=changed)


# How a batch of pictures is moved, by the kind of targets that have places in them.
PLACED: Mapping[type, Callable[[Any, Batch], Batch]] = {
    Mask: _with_masks,
    ClassAndBox: _with_box,
    Boxes: _with_objects,
    Instances: _with_objects,
}
