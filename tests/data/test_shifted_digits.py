"""Digits that are moved away from the middle of their pictures."""

import pytest
import torch

from nntrain.data.scikit_learn import digits
from nntrain.data.shifted_digits import shifted_digits
from nntrain.errors import UnfitError


def test_without_a_shift_digits_stand_in_the_middle() -> None:
    pictures, images = shifted_digits().train.inputs, digits().train.inputs
    assert pictures.shape == (1797, 1, 16, 16)
    assert torch.equal(pictures[:, :, 4:12, 4:12], images)
    assert pictures.sum() == images.sum()


@pytest.mark.parametrize("shift", [1, 4])
def test_digits_are_moved_by_up_to_the_shift(shift: int) -> None:
    pictures, images = shifted_digits(shift=shift).train.inputs, digits().train.inputs
    windows = pictures.unfold(2, 8, 1).unfold(3, 8, 1).flatten(4)  # (n, 1, 9, 9, 64), by place
    places = (windows == images.flatten(1)[:, None, None, None]).all(dim=4).nonzero()[:, 2:] - 4
    assert places.abs().max() == shift
    assert {tuple(place) for place in places.tolist()} >= {(y, x) for y in (-shift, shift) for x in (-shift, 0, shift)}
    assert torch.equal(pictures.sum(dim=(1, 2, 3)), images.sum(dim=(1, 2, 3)))


def test_the_seed_says_where() -> None:
    one = shifted_digits(shift=2).train.inputs
    assert torch.equal(one, shifted_digits(shift=2).train.inputs)
    assert not torch.equal(one, shifted_digits(shift=2, seed=1).train.inputs)


def test_a_shift_out_of_the_picture_is_refused() -> None:
    with pytest.raises(UnfitError, match="at most 4 pixels, not 5"):
        shifted_digits(shift=5)
