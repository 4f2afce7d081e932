"""Made-up scenes: what is said of the objects is what the pictures show."""

import time

import pytest
import torch

from nntrain import boxes
from nntrain.data.scenes import ABSENT, COLOURS, SHAPES, Scenes, scenes
from nntrain.errors import UnfitError


def some(examples: int = 60, objects: tuple[int, int] = (1, 4), overlap: float = 0.3, noise: float = 0.1) -> Scenes:
    return scenes(examples, 48, list(objects), overlap, noise, seed=3)


def test_each_pixel_is_seen_of_one_object_at_most() -> None:
    assert some().masks.sum(dim=1).max() == 1


def test_what_is_not_there_has_no_mask_and_no_box() -> None:
    made = some(400)
    assert torch.equal(made.is_there, made.masks.any(dim=(2, 3)))
    assert torch.equal(made.colours == ABSENT, ~made.is_there)
    assert not made.boxes[~made.is_there].any() and not made.is_there.all()


def test_a_box_is_around_what_is_seen() -> None:
    made = some(200)
    assert torch.equal(made.boxes, boxes.around(made.masks))
    inside = boxes.filled(made.boxes, 48, 48)
    assert not (made.masks & ~inside).any() and (made.masks & inside).any(dim=(2, 3))[made.is_there].all()


def test_without_noise_all_pixels_of_an_object_have_one_colour_that_is_its_own() -> None:
    made = some(noise=0.0)
    for picture, colours, masks in zip(made.pictures, made.colours, made.masks, strict=True):
        for colour, mask in zip(colours[colours != ABSENT], masks[colours != ABSENT], strict=True):
            seen = picture[:, mask]
            expected = torch.tensor(list(COLOURS.values())[int(colour)])
            assert (seen == seen[:, :1]).all()
            torch.testing.assert_close(seen[:, 0] / expected, (seen[0, 0] / expected[0]).expand(3))


def test_a_shape_is_what_it_is_called() -> None:
    """Shares of their boxes: of a circle pi / 4, of a triangle a half, of a square all."""
    made = some(800, objects=(1, 1))
    boxes, areas = made.boxes[:, 0], made.masks.sum(dim=(1, 2, 3))
    share = areas / ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    found = {name: float(share[made.shapes[:, 0] == number].mean()) for number, name in enumerate(SHAPES)}
    cross = (2 * 0.6 * 1.9 - 0.6**2) / 1.9**2
    assert found == pytest.approx({"circle": 0.785, "square": 1.0, "triangle": 0.5, "cross": cross}, abs=0.05)


def test_numbers_shapes_and_colours_are_equally_likely() -> None:
    made = scenes(4000, 48, [2, 3], 0.0, 0.0, seed=0)
    assert set(made.is_there.sum(dim=1).tolist()) == {2, 3}
    for drawn in (made.shapes, made.colours):
        counts = torch.bincount(drawn[made.is_there], minlength=4) / made.is_there.sum()
        assert counts.tolist() == pytest.approx([0.25] * 4, abs=0.02)


def test_objects_without_overlap_do_not_cover_each_other() -> None:
    """Two that do not touch where there is room for them: both are seen whole."""
    made, alone = scenes(500, 64, [2, 2], 0.0, 0.0, seed=0), scenes(500, 64, [2, 2], 1.0, 0.0, seed=0)
    of_circles = [s.masks.sum(dim=(2, 3))[s.shapes == 0].float().min() for s in (made, alone)]
    assert made.is_there.all()
    assert of_circles[0] >= 3.14 * (0.12 * 64) ** 2 * 0.9 > of_circles[1]


def test_the_seed_says_all() -> None:
    assert all(torch.equal(a, b) for a, b in zip(some(), some(), strict=True))
    assert not torch.equal(some().shapes, scenes(60, 48, [1, 4], 0.3, 0.1, seed=4).shapes)


def test_fewest_and_most() -> None:
    with pytest.raises(UnfitError, match=r"smaller number first, found \[3, 2\]"):
        some(objects=(3, 2))


def test_thousands_are_made_in_no_time() -> None:
    start = time.process_time()
    some(2000)
    assert time.process_time() - start < 10
