"""Pictures whose targets have places in them: masks and boxes are moved with the pixels."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from nntrain.augmentations import Augmentation, Moving, over
from nntrain.batch import IGNORED, Batch
from nntrain.boxes import areas, around, filled
from nntrain.errors import UnfitError
from nntrain.specs import ClassAndBox, Mask, Targets

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


# How a batch of pictures is moved, by the kind of targets that have places in them.
PLACED: Mapping[type, Callable[[Any, Batch], Batch]] = {Mask: _with_masks, ClassAndBox: _with_box}
