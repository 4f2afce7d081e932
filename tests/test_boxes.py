"""Boxes by hand-computed cases."""

import pytest
import torch

from nntrain.boxes import around, around_middle, filled, overlaps


def test_intersection_over_union() -> None:
    one = torch.tensor([[0.0, 0.0, 4.0, 2.0]]).expand(5, 4)
    other = torch.tensor([[2.0, 1, 6, 3], [0, 0, 4, 2], [4, 0, 8, 2], [1, 0, 2, 2], [9, 9, 9, 9]])
    assert overlaps(one, other).tolist() == pytest.approx([2 / 14, 1, 0, 2 / 8, 0])
    assert overlaps(other, one).tolist() == overlaps(one, other).tolist()
    assert overlaps(torch.zeros(1, 4), torch.zeros(1, 4)).tolist() == [0]


def test_by_the_middle() -> None:
    assert around_middle(torch.tensor([[5.0, 3.0, 4.0, 2.0]])).tolist() == [[3, 2, 7, 4]]


def test_a_box_is_around_what_is_true() -> None:
    mask = torch.zeros(3, 6, 8, dtype=torch.bool)
    mask[0, 2:4, 1:7] = mask[1, 5, 7] = True
    assert around(mask).tolist() == [[1, 2, 7, 4], [7, 5, 8, 6], [0, 0, 0, 0]]


def test_boxes_of_whole_pixels_are_filled_and_found_again() -> None:
    boxes = torch.tensor([[[1.0, 2, 7, 4], [0, 0, 8, 6]], [[7, 5, 8, 6], [0, 0, 0, 0]]])
    assert filled(boxes, 6, 8).shape == (2, 2, 6, 8)
    assert filled(boxes, 6, 8)[0, 0].sum() == 12
    assert torch.equal(around(filled(boxes, 6, 8)), boxes)
