"""Images moved, turned, scaled, sheared, bent, cropped, mirrored: against formulas and torchvision."""

import math
from typing import Any

import pytest
import torch
from made import made
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as torchvision

from nntrain.augmentations.crop import stretching
from nntrain.augmentations.elastic import Elastic
from nntrain.augmentations.rectangles import Rectangles, rectangles
from nntrain.augmentations.shift import moved
from nntrain.augmentations.warping import transformed
from nntrain.errors import UnfitError
from nntrain.specs import Image, Video

RED_IMAGE = Image(3, 12, 16)


def pictures(number: int = 4, *shape: int) -> Tensor:
    torch.manual_seed(3)
    return torch.rand(number, *(shape or RED_IMAGE.shape))


NOTHING = {
    "affine": {},
    "crop": {"area": [1.0, 1.0], "ratio": [4 / 3, 4 / 3]},
    "elastic": {"alpha": 0},
    "flip": {"horizontal": 0},
    "rotate": {"degrees": 0},
    "shift": {"pixels": 0},
}


@pytest.mark.parametrize("name", NOTHING)
def test_without_strength_images_stay(name: str) -> None:
    images = pictures()
    changed = made("augmentation", {"type": name, **NOTHING[name]}, RED_IMAGE)(images)
    torch.testing.assert_close(changed, images, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", NOTHING)
def test_the_frames_of_a_video_are_changed_alike_and_the_videos_each_on_its_own(name: str) -> None:
    video = Video(2, 5, 12, 16)
    frame = pictures(1, 1, 1, 12, 16)
    videos = frame.expand(64, *video.shape)
    torch.manual_seed(1)
    changed = made("augmentation", name, video) if name != "affine" else made_affine(video)
    seen = changed(videos)
    assert seen.shape == videos.shape
    assert torch.equal(seen, seen[:, :1, :1].expand_as(seen))
    different = {row.numpy().tobytes() for row in seen[:, 0, 0]}
    assert len(different) == 2 if name == "flip" else len(different) > 20


def made_affine(inputs: Any) -> Any:
    settings = {"rotate": 20, "shear": 10, "scale": [0.8, 1.2], "shift": 0.1}
    return made("augmentation", {"type": "affine", **settings}, inputs)


def test_inputs_are_left_as_they_were() -> None:
    images = pictures()
    kept = images.clone()
    for name in NOTHING:
        made("augmentation", name, RED_IMAGE)(images)
    assert torch.equal(images, kept)


# --- Against torchvision, one image at a time.


@pytest.mark.parametrize(
    ("turn", "shear", "scale", "right", "down"),
    [(30.0, 0, 1, 0, 0), (0, 20.0, 1, 0, 0), (0, 0, 1.3, 0, 0), (0, 0, 1, 3.0, -2.0), (-25.0, 15.0, 0.8, 2.0, 1.0)],
)
def test_a_transformation_is_that_of_torchvision(
    turn: float, shear: float, scale: float, right: float, down: float
) -> None:
    images = pictures()
    expected = torchvision.affine(
        images, turn, [right, down], scale, [-shear, 0.0], interpolation=InterpolationMode.BILINEAR, fill=0
    )
    seen = transformed(
        images, turn=math.radians(turn), shear=math.radians(shear), scale=scale, right=right, down=down
    )  # fmt: skip
    # torchvision darkens the rim towards its fill in another way: what comes from inside is compared.
    inner = transformed(torch.ones_like(images), turn=math.radians(turn), shear=math.radians(shear), scale=scale,
                        right=right, down=down) > 0.999  # fmt: skip
    assert inner.float().mean() > 0.4
    torch.testing.assert_close(seen[inner], expected[inner], atol=1e-4, rtol=0)


def test_each_image_has_its_own_transformation() -> None:
    images = pictures(3)
    turn, scale, right = torch.tensor([0.1, -0.4, 2.0]), torch.tensor([1.0, 0.7, 1.3]), torch.tensor([0.0, 3.0, -1.5])
    together = transformed(images, turn=turn, scale=scale, right=right)
    for i in range(3):
        alone = transformed(images[i : i + 1], turn=turn[i : i + 1], scale=scale[i : i + 1], right=right[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)


def test_a_right_angle_clockwise_is_a_rotation_of_the_array() -> None:
    images = pictures(2, 1, 9, 9)
    seen = transformed(images, turn=math.pi / 2)
    torch.testing.assert_close(seen, images.rot90(-1, (2, 3)), atol=1e-5, rtol=0)


def test_angles_and_shifts_are_uniform_up_to_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Tensor] = {}
    monkeypatch.setattr("nntrain.augmentations.affine.transformation", lambda images, **given: seen.update(given))
    images = torch.zeros(20_000, 1, 10, 20)
    affine = made(
        "augmentation", {"type": "affine", "rotate": 90, "shear": 45, "scale": [0.5, 2], "shift": 0.2}, Image(1, 10, 20)
    )
    affine.move(images)
    limits = {"turn": math.pi / 2, "shear": math.pi / 4, "right": 4.0, "down": 2.0}
    for name, limit in limits.items():
        assert seen[name].abs().max() <= limit
        assert seen[name].mean().abs() < 0.02 * limit
        assert float(seen[name].std()) == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert float(seen["scale"].min()) >= 0.4999 and float(seen["scale"].max()) <= 2.0001
    assert float(seen["scale"].log().mean()) == pytest.approx(0, abs=0.02)
    draws = torch.stack([seen[name] for name in limits])
    assert (draws.corrcoef() - torch.eye(4)).abs().max() < 0.03


# --- Whole pixels.


def test_a_known_shift_moves_each_image_by_its_own_pixels() -> None:
    images = pictures(3)
    down = torch.tensor([2, 0, -3])
    seen = moved(images, down, -2, "black")
    assert torch.equal(seen[0, :, 2:], images[0, :, :-2]) and not seen[0, :, :2].any()
    assert torch.equal(seen[1], images[1])
    assert torch.equal(seen[2, :, :-3], images[2, :, 3:]) and not seen[2, :, -3:].any()


@pytest.mark.parametrize(("border", "mode"), [("black", "constant"), ("edge", "replicate"), ("mirrored", "reflect")])
def test_a_shift_is_a_crop_of_the_image_with_a_border(border: Any, mode: str) -> None:
    images = pictures(1)
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4), mode=mode)
    for down in (-4, -1, 0, 3):
        for right in (-3, 0, 4):
            seen = moved(moved(images, torch.tensor([down]), -2, border), torch.tensor([right]), -1, border)
            assert torch.equal(seen, padded[:, :, 4 - down : 16 - down, 4 - right : 20 - right])


def test_all_shifts_are_equally_likely() -> None:
    images = torch.zeros(20_000, 1, 9, 9)
    images[:, 0, 4, 4] = 1
    torch.manual_seed(0)
    seen = made("augmentation", {"type": "shift", "pixels": 2}, Image(1, 9, 9))(images)
    shares = seen.mean(dim=0)[0]
    torch.testing.assert_close(shares[2:7, 2:7], torch.full((5, 5), 1 / 25), atol=0.006, rtol=0)
    assert float(shares.sum()) == pytest.approx(1)


def test_flips_are_exact_and_as_frequent_as_set() -> None:
    images = pictures(1).expand(4000, -1, -1, -1)
    torch.manual_seed(0)
    seen = made("augmentation", {"type": "flip", "horizontal": 0.3, "vertical": 0.6}, RED_IMAGE)(images)
    kinds = {(False, False): 0.28, (True, False): 0.12, (False, True): 0.42, (True, True): 0.18}
    for (horizontal, vertical), share in kinds.items():
        axes = [axis for axis, is_so in ((-1, horizontal), (-2, vertical)) if is_so]
        expected = images[0].flip(axes)
        found = (seen == expected).flatten(1).all(dim=1).float().mean()
        assert float(found) == pytest.approx(share, abs=0.03)


# --- Parts.


def test_a_crop_is_the_part_stretched() -> None:
    images = pictures(2, 3, 16, 16)
    part = Rectangles(*(torch.tensor(pair) for pair in ([4.0, 0.0], [2.0, 8.0], [8.0, 4.0], [8.0, 8.0])),
                      torch.tensor([True, True]))  # fmt: skip
    seen = stretching(images, part)(images)
    first = torch.nn.functional.interpolate(images[:1, :, 4:12, 2:10], (16, 16), mode="bilinear")
    second = torch.nn.functional.interpolate(images[1:, :, :4, 8:], (16, 16), mode="bilinear")
    # At the rim of a part it is interpolated with the image around it, where the part alone ends.
    torch.testing.assert_close(seen[:1, :, 1:-1, 1:-1], first[:, :, 1:-1, 1:-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1:, :, :-2, 1:], second[:, :, :-2, 1:], atol=1e-5, rtol=0)


def test_where_no_part_fits_the_whole_image_is_left() -> None:
    images = pictures(2, 3, 16, 16)
    nothing = Rectangles(*torch.zeros(4, 2), torch.tensor([False, False]))
    torch.testing.assert_close(stretching(images, nothing)(images), images, atol=1e-5, rtol=0)


def test_rectangles_have_areas_and_ratios_as_asked_and_lie_anywhere() -> None:
    images = torch.zeros(20_000, 1, 200, 300)
    torch.manual_seed(0)
    found = rectangles(images, [0.05, 0.25], [0.5, 2.0])
    assert bool(found.is_there.all())
    areas, ratios = found.height * found.width / 60_000, found.width / found.height
    assert float(areas.min()) > 0.047 and float(areas.max()) < 0.253
    assert float(areas.mean()) == pytest.approx(0.15, rel=0.02)
    assert float(ratios.min()) > 0.48 and float(ratios.max()) < 2.1
    assert float(ratios.log().mean()) == pytest.approx(0, abs=0.01)
    for first, size, side in ((found.top, found.height, 200), (found.left, found.width, 300)):
        assert float(first.min()) >= 0 and bool((first + size <= side).all())
        assert float((first / (side - size)).mean()) == pytest.approx(0.5, abs=0.02)


def test_the_first_rectangle_that_fits_is_taken_and_none_where_none_does() -> None:
    images = torch.zeros(2000, 1, 10, 10)
    always_too_wide = rectangles(images, [0.9, 1.0], [5.0, 6.0])
    assert not bool(always_too_wide.is_there.any()) and not bool(always_too_wide.mask(images).any())
    often = rectangles(images, [0.5, 0.9], [0.4, 2.5])
    assert float(often.is_there.float().mean()) > 0.99
    assert bool((often.height[often.is_there] <= 10).all() and (often.width[often.is_there] <= 10).all())


@pytest.mark.parametrize("fill", ["noise", "black"])
def test_the_erased_area_is_as_large_as_set(fill: str) -> None:
    images = torch.full((5000, 2, 40, 60), 2.0)
    torch.manual_seed(0)
    settings = {"share": 0.6, "area": [0.1, 0.3], "ratio": [0.5, 2], "fill": fill}
    seen = made("augmentation", {"type": "erase", **settings}, Image(2, 40, 60))(images)
    is_covered = seen != 2.0
    assert torch.equal(is_covered[:, 0], is_covered[:, 1])
    shares = is_covered[:, 0].flatten(1).float().mean(dim=1)
    chosen = shares[shares > 0]
    assert len(chosen) / len(shares) == pytest.approx(0.6, abs=0.02)
    assert float(chosen.mean()) == pytest.approx(0.2, abs=0.005)
    rows, columns = is_covered[:, 0].any(dim=2).sum(dim=1), is_covered[:, 0].any(dim=1).sum(dim=1)
    assert torch.equal(rows * columns, is_covered[:, 0].flatten(1).sum(dim=1))  # one whole rectangle
    covered = seen[is_covered]
    if fill == "black":
        assert not covered.any()
    else:
        assert float(covered.min()) >= 0 and float(covered.max()) <= 1
        assert float(covered.mean()) == pytest.approx(0.5, abs=0.01)


# --- Bending.


def test_displacements_are_uniform_noise_smoothed_by_a_normal_density(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    noise = torch.rand(3, 2, 20, 30) * 2 - 1
    monkeypatch.setattr("nntrain.augmentations.elastic.drawn", lambda *_: noise)
    seen = Elastic(Image(1, 20, 30), alpha=5.0, sigma=1.5).displacements(torch.zeros(3, 1, 20, 30))
    expected = gaussian_filter(noise.numpy(), 1.5, mode="constant", truncate=6, axes=(2, 3))
    torch.testing.assert_close(seen, 5 * torch.from_numpy(expected), atol=1e-5, rtol=1e-4)


def test_displacements_have_the_deviation_that_is_told() -> None:
    torch.manual_seed(0)
    seen = Elastic(Image(1, 60, 60)).displacements(torch.zeros(50, 1, 60, 60))[:, :, 24:36, 24:36]
    assert float(seen.std()) == pytest.approx(34 / (6.1 * 4), rel=0.05)


def test_pixels_are_taken_from_where_the_displacement_points(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(2, 1, 8, 10)
    elastic = Elastic(Image(1, 8, 10))
    by = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(2, 2, 8, 10)  # two to the right, one up
    monkeypatch.setattr(elastic, "displacements", lambda images: by)
    seen = elastic(images)
    torch.testing.assert_close(seen[:, :, 1:, :-2], images[:, :, :-1, 2:], atol=1e-5, rtol=0)
    assert float(seen[:, :, 0].abs().max()) < 1e-5 and float(seen[:, :, :, -2:].abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "shift", "pixels": 12}, "fewer than the sides"),
        ({"type": "affine", "scale": [1.2, 0.8]}, "smaller number first"),
        ({"type": "crop", "area": [0.5, 1.5]}, "at most 1"),
        ({"type": "crop", "ratio": [2, 1]}, "smaller number first"),
        ({"type": "erase", "area": [0.4, 0.2]}, "smaller number first"),
        ({"type": "erase", "area": [0.4, 1.2]}, "at most 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UnfitError, match=message):
        made("augmentation", settings, RED_IMAGE)
