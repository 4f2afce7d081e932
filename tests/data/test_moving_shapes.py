"""Made-up videos: what moves, how, and that a single frame says nothing."""

from itertools import pairwise

import pytest
import torch

from nntrain.data.moving_shapes import DIRECTIONS, moving_shapes
from nntrain.specs import Video


def test_every_frame_is_the_one_before_it_moved_by_a_pixel() -> None:
    source = moving_shapes(examples=40, frames=5, side=12, noise=0.0)
    steps = list(DIRECTIONS.values())
    for video, direction in zip(source.train.inputs[:, 0], source.train.targets, strict=True):
        for before, after in pairwise(video):
            assert torch.equal(after, before.roll(steps[int(direction)], dims=(0, 1)))


def test_a_single_frame_says_nothing() -> None:
    """Every frame shows one of three shapes at a random place, whatever the direction."""
    source = moving_shapes(examples=8000, frames=3, side=12, noise=0.0)
    for direction in range(4):
        frames = source.train.inputs[source.train.targets == direction][:, 0, 2]
        torch.testing.assert_close(frames.mean(dim=0), frames.mean().expand(12, 12), atol=0.05, rtol=0)


def test_videos_backwards_are_videos_of_the_other_direction() -> None:
    source = moving_shapes(examples=20, noise=0.0)
    (right, left), videos = (0, 1), source.train.inputs[:, 0]
    assert list(DIRECTIONS)[:2] == ["right", "left"]
    for video in videos[source.train.targets == right].flip(1):
        assert torch.equal(video[1], video[0].roll(DIRECTIONS["left"], dims=(0, 1)))
    assert (source.train.targets == left).any()


@pytest.mark.parametrize("side", [12, 16, 31])
def test_there_are_three_shapes_that_fit(side: int) -> None:
    source = moving_shapes(examples=60, frames=2, side=side, noise=0.0)
    assert source.inputs == Video(1, 2, side, side) and source.train.inputs.shape == (60, 1, 2, side, side)
    areas = source.train.inputs[:, 0, 0].sum(dim=(1, 2)).unique()
    assert len(areas) == 3 and areas.min() > 1 and areas.max() < side * side / 2


def test_noise_and_seed() -> None:
    clean, noisy = moving_shapes(examples=50, noise=0.0), moving_shapes(examples=50, noise=0.3)
    assert (noisy.train.inputs - clean.train.inputs).std().item() == pytest.approx(0.3, rel=0.02)
    assert torch.equal(noisy.train.inputs, moving_shapes(examples=50, noise=0.3).train.inputs)
    assert not torch.equal(noisy.train.targets, moving_shapes(examples=50, seed=1).train.targets)
