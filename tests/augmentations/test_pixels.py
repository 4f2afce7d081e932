"""Light, colour, and the policies that draw operations: against torchvision and the papers."""

from collections import Counter
from typing import Any

import pytest
import torch
from made import made
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as torchvision

from nntrain.augmentations.colour import turned
from nntrain.augmentations.operations import OPERATIONS, Operations, Span, usual_spans, wide_spans
from nntrain.errors import UnfitError
from nntrain.specs import Image

COLOUR, GREY = Image(3, 20, 24), Image(1, 20, 24)


def pictures(number: int = 4, inputs: Image = COLOUR) -> Tensor:
    """Pixels that are bytes, as those of real pictures."""
    torch.manual_seed(5)
    smooth = torch.nn.functional.interpolate(
        torch.rand(number, inputs.channels, 4, 5), inputs.shape[1:], mode="bicubic"
    )
    return (smooth.clamp(0, 1) * 255).round() / 255


# --- Colour.


def test_without_strength_images_stay() -> None:
    images = pictures()
    settings = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0)
    torch.testing.assert_close(made("augmentation", {"type": "colour", **settings}, COLOUR)(images), images)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_image_is_blended_by_a_factor_of_its_own(name: str) -> None:
    images = pictures(1).expand(3000, -1, -1, -1)
    others = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, name: 0.4}
    torch.manual_seed(0)
    seen = made("augmentation", {"type": "colour", **others}, COLOUR)(images)
    change = getattr(torchvision, f"adjust_{name}")
    ends = [change(images[:1], factor) for factor in (0.6, 1.4)]
    low, high = (end.double().mean() if name == "brightness" else end.double().std() for end in ends)
    found = seen.double().mean(dim=(1, 2, 3)) if name == "brightness" else seen.double().std(dim=(1, 2, 3))
    assert float(found.min()) >= float(low) - 1e-5 and float(found.max()) <= float(high) + 1e-5
    assert len(found.unique()) > 2500


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("Brightness", torchvision.adjust_brightness),
        ("Color", torchvision.adjust_saturation),
        ("Contrast", torchvision.adjust_contrast),
        ("Sharpness", torchvision.adjust_sharpness),
    ],
)
@pytest.mark.parametrize("inputs", [COLOUR, GREY])
def test_a_blend_is_that_of_torchvision(operation: str, change: Any, inputs: Image) -> None:
    images, strengths = pictures(4, inputs), torch.tensor([-0.9, -0.3, 0.0, 0.7])
    expected = torch.cat([change(image[None], 1 + s) for image, s in zip(images, strengths.tolist(), strict=True)])
    torch.testing.assert_close(OPERATIONS[operation](images, strengths), expected, atol=2e-4, rtol=0)


def test_hues_are_turned_as_by_torchvision() -> None:
    images, turns = pictures(5), torch.tensor([-0.5, -0.2, 0.0, 0.1, 0.4])
    expected = torch.cat([torchvision.adjust_hue(i[None], t) for i, t in zip(images, turns.tolist(), strict=True)])
    torch.testing.assert_close(turned(images, turns), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(turned(images, torch.zeros(5)), images)


@pytest.mark.parametrize("setting", ["saturation", "hue"])
def test_grey_images_have_no_colour_to_change(setting: str) -> None:
    with pytest.raises(UnfitError, match=f"no {setting}") as refused:
        made("augmentation", {"type": "colour", setting: 0.1}, GREY)
    assert refused.value.path[-1] == setting


@pytest.mark.parametrize("name", ["colour", "rand_augment", "trivial_augment", "auto_augment"])
def test_images_of_other_channels_are_refused(name: str) -> None:
    with pytest.raises(UnfitError, match="1 channel"):
        made("augmentation", name, Image(2, 8, 8))


# --- The operations, each against torchvision's, image by image.

BILINEAR = {"interpolation": InterpolationMode.BILINEAR, "fill": 0}


def sheared(image: Tensor, x: float, y: float) -> Tensor:
    degrees = [float(torch.rad2deg(torch.atan(torch.tensor(share)))) for share in (x, y)]
    return torchvision.affine(image, 0.0, [0, 0], 1.0, degrees, center=[0, 0], **BILINEAR)


GEOMETRIC = {
    "ShearX": lambda image, s: sheared(image, -s, 0.0),
    "ShearY": lambda image, s: sheared(image, 0.0, -s),
    "TranslateX": lambda image, s: torchvision.affine(image, 0.0, [int(s), 0], 1.0, [0.0, 0.0], **BILINEAR),
    "TranslateY": lambda image, s: torchvision.affine(image, 0.0, [0, int(s)], 1.0, [0.0, 0.0], **BILINEAR),
    "Rotate": lambda image, s: torchvision.rotate(image, -s, **BILINEAR),
}
OF_PIXELS = {
    "Posterize": lambda image, s: torchvision.posterize(as_bytes(image), int(s)) / 255,
    "Solarize": lambda image, s: torchvision.solarize(as_bytes(image), s) / 255,
    "AutoContrast": lambda image, s: torchvision.autocontrast(image),
    "Equalize": lambda image, s: torchvision.equalize(as_bytes(image)) / 255,
    "Invert": lambda image, s: torchvision.invert(image),
    "Identity": lambda image, s: image,
}
STRENGTHS = {"TranslateX": [-7.6, 0.0, 3.4], "TranslateY": [-5.0, 2.9, 8.0], "Rotate": [-30.0, 5.0, 20.0],
             "Posterize": [4.0, 6.0, 8.0], "Solarize": [0.0, 120.0, 255.0]}  # fmt: skip


def as_bytes(image: Tensor) -> Tensor:
    return (image * 255).round().to(torch.uint8)


@pytest.mark.parametrize("inputs", [COLOUR, GREY])
@pytest.mark.parametrize("name", [*GEOMETRIC, *OF_PIXELS])
def test_an_operation_is_that_of_torchvision(name: str, inputs: Image) -> None:
    images, strengths = pictures(3, inputs), STRENGTHS.get(name, [-0.3, 0.1, 0.3])
    seen = OPERATIONS[name](images, torch.tensor(strengths))
    change = {**GEOMETRIC, **OF_PIXELS}[name]
    for i, strength in enumerate(strengths):
        expected = change(images[i : i + 1], strength)
        if name in GEOMETRIC:  # the rims are darkened in different ways
            whole = torch.ones(1, 1, *inputs.shape[1:])
            inner = (OPERATIONS[name](whole, torch.tensor([strength])) > 0.999).expand_as(expected)
            inner = inner & (change(whole, strength) > 0.999)
            assert float(inner.float().mean()) > 0.3
            torch.testing.assert_close(seen[i : i + 1][inner], expected[inner], atol=1e-3, rtol=0)
        else:
            torch.testing.assert_close(seen[i : i + 1], expected, atol=1e-5, rtol=0)


def test_every_operation_of_the_spans_is_there() -> None:
    assert set(usual_spans(COLOUR)) == set(OPERATIONS)
    assert set(wide_spans()) == set(OPERATIONS) - {"Invert"}


@pytest.mark.parametrize("published", ["RandAugment", "TrivialAugmentWide"])
def test_the_spans_are_the_published_ones(published: str) -> None:
    from torchvision import transforms

    if published == "RandAugment":
        theirs = transforms.RandAugment()._augmentation_space(31, (COLOUR.height, COLOUR.width))
        ours = {name: span for name, span in usual_spans(COLOUR).items() if name != "Invert"}
    else:
        theirs, ours = transforms.TrivialAugmentWide()._augmentation_space(31), wide_spans()
    assert theirs.keys() == ours.keys()
    for name, (strengths, is_signed) in theirs.items():
        assert ours[name].is_signed == is_signed
        levels = torch.arange(strengths.numel()) / 30
        found = ours[name].low + (ours[name].high - ours[name].low) * levels
        found = 8 - (8 - found).round() if name == "Posterize" else found
        torch.testing.assert_close(found.flatten(), strengths.flatten().float(), atol=1e-4, rtol=0)


# --- Which operation each image gets.


def test_each_image_gets_the_operation_that_is_chosen_for_it() -> None:
    choices = Operations({"Invert": Span(), "Brightness": Span(0.0, 0.9, True), "Identity": Span()})
    images, chosen = pictures(6) * 0.5, torch.tensor([0, 1, 2, 1, 0, 1])
    torch.manual_seed(2)
    seen = choices(images, chosen, torch.tensor([0.0, 1.0, 0.5, 0.0, 0.3, 1.0]))
    torch.testing.assert_close(seen[[0, 4]], 1 - images[[0, 4]])
    torch.testing.assert_close(seen[[2, 3]], images[[2, 3]])
    for i in (1, 5):
        factor = float(seen[i].mean() / images[i].mean())
        assert factor == pytest.approx(1.9, abs=0.01) or factor == pytest.approx(0.1, abs=0.01)


def spied(monkeypatch: pytest.MonkeyPatch, augmentation: Any, images: Tensor) -> list[Counter[tuple[str, float]]]:
    """How often each operation was chosen with each level, round by round."""
    rounds: list[Counter[tuple[str, float]]] = []

    def note(self: Operations, images: Tensor, chosen: Tensor, levels: Tensor | float) -> Tensor:
        at = [levels] * len(chosen) if isinstance(levels, float) else levels.tolist()
        pairs = zip(chosen.tolist(), at, strict=True)
        rounds.append(Counter((self.names[number], round(level, 4)) for number, level in pairs))
        return images

    monkeypatch.setattr(Operations, "__call__", note)
    torch.manual_seed(0)
    augmentation(images)
    return rounds


def test_rand_augment_draws_some_operations_of_one_level(monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation = made("augmentation", {"type": "rand_augment", "operations": 3, "level": 15}, COLOUR)
    rounds = spied(monkeypatch, augmentation, torch.zeros(7000, 3, 1, 1))
    assert len(rounds) == 3
    for drawn in rounds:
        assert {level for _, level in drawn} == {0.5} and len(drawn) == 14
        assert all(abs(count - 500) < 100 for count in drawn.values())


def test_trivial_augment_draws_one_operation_and_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    (drawn,) = spied(monkeypatch, made("augmentation", "trivial_augment", COLOUR), torch.zeros(31_000, 3, 1, 1))
    names: Counter[str] = Counter()
    levels: Counter[float] = Counter()
    for (name, level), count in drawn.items():
        names[name] += count
        levels[level] += count
    assert len(names) == 14 and all(abs(count - 31_000 / 14) < 250 for count in names.values())
    assert len(levels) == 31 and all(abs(count - 1000) < 160 for count in levels.values())


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        ("cifar10", [("Invert", 0.1, 0), ("Contrast", 0.2, 6)]),
        ("imagenet", [("Posterize", 0.4, 8), ("Rotate", 0.6, 9)]),
        ("svhn", [("ShearX", 0.9, 4), ("Invert", 0.2, 0)]),
    ],
)
def test_auto_augment_has_the_published_policies(
    policy: str, first: list[tuple[str, float, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their first pairs as the paper prints them; each pair is drawn as often, each operation done as often as said."""
    augmentation = made("augmentation", {"type": "auto_augment", "policy": policy}, COLOUR)
    assert augmentation._chosen.shape == (25, 2)
    names = augmentation._choices.names
    for i, (name, chance, level) in enumerate(first):
        assert names[int(augmentation._chosen[0, i])] == name
        assert float(augmentation._chances[0, i]) == pytest.approx(chance)
        assert float(augmentation._levels[0, i]) == pytest.approx(level / 9)
    rounds = spied(monkeypatch, augmentation, torch.zeros(20_000, 3, 1, 1))
    for i, drawn in enumerate(rounds):
        expected = float((1 - augmentation._chances[:, i]).mean())
        left_out = sum(count for (name, _), count in drawn.items() if name == "Identity")
        assert left_out / 20_000 == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("name", ["rand_augment", "trivial_augment", "auto_augment", "colour"])
@pytest.mark.parametrize("inputs", [COLOUR, GREY])
def test_pixels_stay_between_black_and_white(name: str, inputs: Image) -> None:
    images = pictures(200, inputs) * 1.5 - 0.2
    seen = made("augmentation", name, inputs)(images)
    assert seen.shape == images.shape
    assert float(seen.min()) >= -1e-6 and float(seen.max()) <= 1 + 1e-6
    assert (seen - images.clamp(0, 1)).abs().flatten(1).amax(dim=1).gt(0.01).float().mean() > 0.5
