"""What is drawn over pictures: masks, frames."""

import torch

from nntrain.overlays import FOUND, framed, laid_over, palette, with_targets
from nntrain.specs import ClassAndBox, Classes, Mask


def test_a_frame_is_along_the_last_pixels_inside_of_the_box() -> None:
    drawn = framed(torch.zeros(1, 1, 6, 8), torch.tensor([[2.0, 1, 6, 5]]), FOUND)
    is_frame = drawn[0, 0] == FOUND[0]
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[1:5, 2:6] = True
    expected[2:4, 3:5] = False
    assert torch.equal(is_frame, expected) and drawn.shape == (1, 3, 6, 8)


def test_masks_colour_all_but_the_first_class_and_what_is_ignored() -> None:
    picture = torch.full((1, 3, 1, 3), 0.5)
    drawn = laid_over(picture, torch.tensor([[[0, -100, 1]]]), 3)
    assert torch.equal(drawn[..., :2], picture[..., :2])
    torch.testing.assert_close(drawn[0, :, 0, 2], 0.45 * 0.5 + 0.55 * palette(2)[1] / 255)


def test_targets_without_places_draw_nothing() -> None:
    pictures = torch.rand(2, 3, 4, 4)
    assert with_targets(pictures, torch.tensor([0, 1]), Classes(("a", "b"))) is pictures
    assert not torch.equal(with_targets(pictures, torch.ones(2, 4, 4).long(), Mask(("a", "b"))), pictures)
    boxes = torch.tensor([[0.0, 0, 0, 4, 4], [1, 1, 1, 3, 3]])
    framed_ones = with_targets(pictures, boxes, ClassAndBox(("a", "b"), 4, 4))
    assert torch.equal(framed_ones[0, :, 1:3, 1:3], pictures[0, :, 1:3, 1:3])
