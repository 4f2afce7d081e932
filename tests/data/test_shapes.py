"""Made-up pictures of shapes: the targets are what the pictures show."""

import torch

from nntrain.data.scenes import SHAPES, scenes
from nntrain.data.shapes import shapes, single_shapes
from nntrain.specs import ClassAndBox, Mask


def test_every_pixel_is_of_the_shape_that_is_seen_there() -> None:
    made, source = scenes(40, 32, [1, 3], 0.3, 0.1, seed=5), shapes(examples=40, size=32, objects=[1, 3], seed=5)
    assert source.targets == Mask(("background", *SHAPES))
    assert torch.equal(source.train.inputs, made.pictures)
    for i in range(40):
        for mask, shape in zip(made.masks[i][made.is_there[i]], made.shapes[i][made.is_there[i]], strict=True):
            assert (source.train.targets[i][mask] == shape + 1).all()
        assert (source.train.targets[i][~made.masks[i].any(dim=0)] == 0).all()


def test_a_single_shape_fills_its_box() -> None:
    source = single_shapes(examples=30, size=40, noise=0.0)
    assert source.targets == ClassAndBox(SHAPES, 40, 40)
    for picture, target in zip(source.train.inputs, source.train.targets, strict=True):
        left, top, right, bottom = target[1:].long().tolist()
        is_shape = (picture != picture[:, :1, :1]).any(dim=0)
        assert is_shape.any(dim=0).nonzero().flatten()[[0, -1]].tolist() == [left, right - 1]
        assert is_shape.any(dim=1).nonzero().flatten()[[0, -1]].tolist() == [top, bottom - 1]


def test_descriptions_know_how_often_each_class_occurs() -> None:
    masks, single = shapes(examples=50), single_shapes(examples=50)
    described, boxed = (s.targets.learned_from(s.train.targets) for s in (masks, single))
    assert isinstance(described, Mask) and sum(described.counts) == 50 * 48 * 48
    assert isinstance(boxed, ClassAndBox) and sum(boxed.counts) == 50
    assert described.counts[2] == (masks.train.targets == 2).sum()
