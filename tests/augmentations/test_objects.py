"""Boxes and masks of many objects move with the pixels of their pictures."""

from typing import Any

import pytest
import torch
from made import component

from nntrain.augmentations.placed import LEFT, together
from nntrain.batch import IGNORED, Batch, Objects
from nntrain.boxes import around, filled
from nntrain.data.augmented import Changes
from nntrain.data.scenes import SHAPES, scenes
from nntrain.errors import UnfitError
from nntrain.specs import Boxes, Image, Instances

SIZE = 32
IMAGE = Image(3, SIZE, SIZE)
SPECS = {"boxes": Boxes(SHAPES, 3), "masks": Instances(SHAPES, 3)}
each_kind = pytest.mark.parametrize("kind", SPECS)


def examples(kind: str, count: int = 6) -> Batch:
    made = scenes(count, SIZE, [1, 3], 0.2, 0.0, 0)
    sizes = torch.full((count, 2), SIZE)
    masks = made.masks if kind == "masks" else None
    return Batch(made.pictures, Objects(made.boxes, made.shapes, torch.zeros_like(made.is_there), sizes, masks))


def changed(batch: Batch, kind: str, *settings: Any) -> Batch:
    torch.manual_seed(1)
    changes = Changes.of([component("augmentation", one) for one in settings], None, IMAGE, SPECS[kind])
    for change in changes.augmentations:
        batch = change(batch)
    return batch


@each_kind
def test_mirrored_pictures_have_mirrored_boxes(kind: str) -> None:
    batch = examples(kind)
    after = changed(batch, kind, {"type": "flip", "horizontal": 1.0}).targets
    left, top, right, bottom = batch.targets.boxes.unbind(-1)
    expected = torch.stack((SIZE - right, top, SIZE - left, bottom), dim=-1)
    there = batch.targets.are_there
    assert torch.equal(after.boxes[there], expected[there]) and torch.equal(after.labels, batch.targets.labels)
    assert (after.boxes[~there] == 0).all()
    if kind == "masks":
        assert torch.equal(after.masks, batch.targets.masks.flip(-1))


@each_kind
@pytest.mark.parametrize("settings", [{"type": "shift", "pixels": 6}, "erase", {"type": "crop", "area": [0.3, 0.8]}])
def test_boxes_are_around_what_their_pixels_have_become(kind: str, settings: Any) -> None:
    """By painting each object alone in a picture of its own, which is moved with the same random numbers."""
    batch = examples(kind)
    objects, after = batch.targets, changed(batch, kind, settings).targets
    inside = objects.masks if kind == "masks" else filled(objects.boxes, SIZE, SIZE)
    for j in range(objects.labels.shape[1]):
        painted = batch._replace(inputs=inside[:, j, None].float().repeat(1, 3, 1, 1))
        seen = changed(painted, kind, settings).inputs[:, 0] > 0.999
        for i in range(len(inside)):
            if objects.labels[i, j] == IGNORED or after.labels[i, j] == IGNORED:
                continue
            is_soft = settings != "erase" and isinstance(settings, dict) and settings["type"] == "crop"
            torch.testing.assert_close(after.boxes[i, j], around(seen[i]), rtol=0, atol=2.0 if is_soft else 0)


@each_kind
def test_what_is_hardly_left_is_no_object_any_more(kind: str) -> None:
    batch = examples(kind)
    covered = changed(batch, kind, {"type": "erase", "share": 1.0, "area": [0.6, 1.0], "ratio": [1.0, 1.0]})
    before, after = batch.targets, covered.targets
    gone = before.are_there & ~after.are_there
    assert gone.any() and after.are_there.any()
    assert (after.boxes[gone] == 0).all() and not (after.are_there & ~before.are_there).any()
    inside = before.masks if kind == "masks" else filled(before.boxes, SIZE, SIZE)
    if kind == "masks":
        assert not after.masks[gone].any()
        areas = after.masks.sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp(min=1)
        assert (areas[after.are_there] >= LEFT).all()


@each_kind
def test_colour_and_noise_leave_objects_where_they_are(kind: str) -> None:
    batch = examples(kind)
    after = changed(batch, kind, "colour", "noise")
    assert not torch.equal(after.inputs, batch.inputs)
    assert after.targets is batch.targets


@each_kind
def test_what_cannot_move_boxes_is_refused(kind: str) -> None:
    chosen = component("augmentation", "trivial_augment")
    with pytest.raises(UnfitError, match=f"cannot move {SPECS[kind].plural} with them"):
        together(chosen.name, chosen(IMAGE), SPECS[kind])


@each_kind
def test_pictures_with_objects_are_not_mixed(kind: str) -> None:
    for name in ("mixup", "cutmix"):
        with pytest.raises(UnfitError, match=name):
            Changes.of([], component("mixture", name), IMAGE, SPECS[kind])
