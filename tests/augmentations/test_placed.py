"""Masks and boxes move with the pixels that they belong to."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from made import REGISTRY, component, made

from conftest import Called
from nntrain.augmentations import Moving
from nntrain.augmentations.placed import together
from nntrain.batch import IGNORED, Batch
from nntrain.boxes import areas, around
from nntrain.data.augmented import Changes
from nntrain.data.scenes import scenes
from nntrain.errors import UnfitError
from nntrain.mixtures.cutmix import Cutmix
from nntrain.schema import _positional
from nntrain.specs import ClassAndBox, Classes, Image, Mask

SIDE = 32
PICTURE, MASK, PLACED = Image(3, SIDE, SIDE), Mask(("background", "thing")), ClassAndBox(("a", "b"), SIDE, SIDE)
MOVING = {
    "shift": {"pixels": 6},
    "flip": {"horizontal": 0.5, "vertical": 0.5},
    "rotate": {"degrees": 40},
    "affine": {"rotate": 20, "shear": 10, "scale": [0.7, 1.3], "shift": 0.1},
    "crop": {"area": [0.5, 1.0]},
    "elastic": {"alpha": 20, "sigma": 4},
}
each_moving = pytest.mark.parametrize("name", MOVING)


def changed(name: str, batch: Batch, targets: Any, seed: int = 0, **settings: Any) -> Batch:
    augmentation = made("augmentation", {"type": name, **{**MOVING.get(name, {}), **settings}}, PICTURE)
    torch.manual_seed(seed)
    return together(name, augmentation, targets)(batch)


def white_things(examples: int = 40) -> Batch:
    """Each picture is its own mask: white where the thing is, else black."""
    mask = scenes(examples, SIDE, [1, 1], 0.0, 0.0, seed=0).masks[:, 0]
    return Batch(mask.unsqueeze(1).expand(-1, 3, -1, -1).float(), mask.long())


def boxed(batch: Batch) -> Batch:
    return batch._replace(targets=torch.cat((torch.ones(len(batch.targets), 1), around(batch.targets > 0)), dim=1))


@each_moving
def test_the_mask_lies_where_the_pixels_are(name: str) -> None:
    batch = white_things()
    moved = changed(name, batch, MASK)
    assert not torch.equal(moved.targets, batch.targets)
    known = moved.targets != IGNORED
    shown = moved.inputs[:, 0]
    is_thing = moved.targets == 1
    assert known.any() and is_thing.any(dim=(1, 2)).all()
    assert (shown[is_thing] >= 0.25).all() and (shown[known & ~is_thing] <= 0.75).all()  # both at most half a pixel off
    assert set(moved.targets.unique().tolist()) <= {0, 1, IGNORED}


@each_moving
def test_what_comes_in_from_outside_counts_as_nothing(name: str) -> None:
    everywhere = Batch(torch.ones(40, 3, SIDE, SIDE), torch.ones(40, SIDE, SIDE, dtype=torch.long))
    moved = changed(name, everywhere, MASK)
    outside = moved.targets == IGNORED
    assert (moved.inputs[:, 0][outside] <= 0.75).all() and (moved.inputs[:, 0][~outside] >= 0.25).all()
    assert outside.any() == (name not in ("flip", "crop"))


def test_pixels_that_count_as_nothing_stay_so() -> None:
    batch = white_things()
    labels = batch.targets.masked_fill(batch.targets == 1, IGNORED)
    moved = changed("flip", batch._replace(targets=labels), MASK)
    assert torch.equal(moved.targets == IGNORED, moved.inputs[:, 0] == 1)


@each_moving
def test_the_box_is_around_the_moved_object(name: str) -> None:
    """The box of the moved corners holds the object, and is not much larger than the moved box can be."""
    batch = boxed(white_things())
    moved = changed(name, batch, PLACED)
    assert moved.targets.dtype == batch.targets.dtype and (moved.targets[:, 0] == 1).all()
    assert not torch.equal(moved.targets, batch.targets)
    seen, boxes = around(moved.inputs[:, 0] > 0.5), moved.targets[:, 1:]
    assert (boxes[:, :2] <= seen[:, :2] + 1).all() and (boxes[:, 2:] >= seen[:, 2:] - 1).all()
    if name in ("shift", "flip"):
        assert torch.equal(boxes, seen)


def test_flipped_twice_all_is_as_before() -> None:
    def mirrored(batch: Batch, targets: Any) -> Batch:
        return changed("flip", batch, targets, horizontal=1.0, vertical=0.0)

    batch = white_things()
    once = mirrored(batch, MASK)
    assert torch.equal(once.targets, batch.targets.flip(2)) and torch.equal(once.inputs, batch.inputs.flip(3))
    twice = mirrored(once, MASK)
    assert torch.equal(twice.targets, batch.targets) and torch.equal(twice.inputs, batch.inputs)
    boxes = boxed(batch)
    assert torch.equal(mirrored(boxes, PLACED).targets[:, 1], SIDE - boxes.targets[:, 3])
    assert torch.equal(mirrored(mirrored(boxes, PLACED), PLACED).targets, boxes.targets)


def test_a_marked_pixel_and_its_mask_stay_together() -> None:
    pictures, masks = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, SIDE, SIDE, dtype=torch.long)
    pictures[0, :, 10, 20], masks[0, 10, 20] = 1.0, 1
    for seed in range(10):
        moved = changed("shift", Batch(pictures, masks), MASK, seed)
        assert torch.equal(moved.inputs[0, 0] == 1, moved.targets[0] == 1) and (moved.targets == 1).sum() == 1


def test_what_is_erased_counts_as_nothing_and_boxes_are_around_the_rest() -> None:
    batch = white_things()
    erased = changed("erase", batch, MASK, share=1.0, fill="black")
    lost = erased.targets == IGNORED
    assert lost.any(dim=(1, 2)).all() and not erased.inputs[:, 0][lost].any()
    assert torch.equal(erased.targets[~lost], batch.targets[~lost])
    boxes = boxed(batch)
    after = changed("erase", boxes, PLACED, share=1.0).targets[:, 1:]
    assert (areas(after) <= areas(boxes.targets[:, 1:])).all() and (areas(after) > 0).all()


def test_a_picture_whose_object_would_leave_it_stays_as_it_was() -> None:
    batch = boxed(white_things())
    moved = changed("affine", batch, PLACED, rotate=0, shear=0, scale=[1, 1], shift=1.0)
    kept = (moved.inputs == batch.inputs).flatten(1).all(dim=1)
    assert kept.any() and not kept.all()
    assert torch.equal(moved.targets[kept], batch.targets[kept])
    assert (areas(moved.targets[:, 1:]) >= 0.1 * areas(batch.targets[:, 1:])).all()


@pytest.mark.parametrize("name", ["colour", "noise"])
def test_what_leaves_pixels_where_they_are_leaves_masks_alone(name: str) -> None:
    batch = white_things()
    moved = changed(name, batch, MASK)
    assert torch.equal(moved.targets, batch.targets) and not torch.equal(moved.inputs, batch.inputs)


def test_classes_are_no_places() -> None:
    batch = white_things()._replace(targets=torch.ones(40, dtype=torch.long))
    moved = changed("flip", batch, Classes(("a", "b")))
    assert moved.targets is batch.targets


@pytest.mark.parametrize("targets", [MASK, PLACED], ids=str)
def test_every_augmentation_of_images_moves_targets_leaves_them_or_is_refused(targets: Any) -> None:
    refused = []
    for name in REGISTRY.names("augmentation"):
        if Image not in next(iter(_positional(REGISTRY.load("augmentation", name)).values())):
            continue
        try:
            (change,) = Changes.of([component("augmentation", name)], None, PICTURE, targets).augmentations
        except UnfitError as error:
            assert f"{name} moves pixels, but cannot move" in str(error)
            refused.append(name)
            continue
        chosen = made("augmentation", name, PICTURE)
        assert isinstance(chosen, Moving) or chosen.leaves_places
        assert callable(change)
    assert refused == ["auto_augment", "rand_augment", "trivial_augment"]


def test_cutmix_puts_masks_together_like_images() -> None:
    batch = white_things()
    torch.manual_seed(1)
    mixed = Cutmix(PICTURE, MASK)(batch)
    assert torch.equal(mixed.targets, mixed.inputs[:, 0].long()) and mixed.targets.dtype == torch.long
    assert not torch.equal(mixed.targets, batch.targets)


def test_masks_cannot_be_blended_and_boxes_not_pasted(
    write: Callable[..., Any], command: Callable[..., Called]
) -> None:
    for data, mix, message in (
        ("shapes", "mixup", "mixup takes classes or values"),
        ("single_shapes", "cutmix", "cutmix takes"),
        ("shapes", "either", "mixup takes"),
    ):
        text = f"data: {{type: {data}, examples: 40, mix: {mix}}}\nmodel: {{type: fcn, width: 2}}\n"
        called = command("check", write(text))
        assert called.status == 2 and "data.mix" in called.err and message in called.err


def test_an_augmentation_that_cannot_move_masks_is_pointed_at(
    write: Callable[..., Any], command: Callable[..., Called]
) -> None:
    text = "data: {type: shapes, examples: 40, augment: [flip, rand_augment]}\nmodel: {type: fcn, width: 2}\n"
    called = command("check", write(text))
    assert called.status == 2
    assert "data.augment.1: rand_augment moves pixels, but cannot move masks" in called.err
