"""The user's own pictures with masks: read, kept, divided, trained on and applied, by the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from test_augmented import data

from nntrain.batch import IGNORED
from nntrain.data.mask_files import Codes, packed
from nntrain.overlays import palette
from nntrain.specs import Image, Mask

Command = Callable[..., Any]
Write = Callable[..., Path]
SIDE = 16
MODEL = "model: {type: unet, width: 4, depth: 1}\n"
TRAINER = "optimizer: {type: adam, lr: 0.02}\ntrainer: {length: 15 epochs, threads: 1, preflight: false}\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def labels(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray[Any, Any]:
    """A square of class 1 somewhere, around it a row that counts nothing, the rest class 0."""
    found = np.zeros(size, dtype=np.uint8)
    top, left = np.random.default_rng(seed).integers(0, SIDE - 8, 2)
    found[top : top + 7, left : left + 7] = 1
    found[top, left : left + 7] = 255
    return found


def write_pair(folder: Path, name: str, mask: np.ndarray[Any, Any], kind: str = "P", ending: str = "") -> None:
    """The picture is bright where its mask is 1."""
    for below in ("images", "masks"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(name)).integers(0, 40, (*mask.shape, 3))
    picture = noise + np.where(mask == 1, 180, 20)[:, :, None]
    PIL.Image.fromarray(picture.astype(np.uint8)).save(folder / "images" / f"{name}.png")
    drawn = PIL.Image.fromarray(mask)
    if kind == "P":
        drawn = PIL.Image.fromarray(mask)
        drawn.putpalette(palette(256).flatten().tolist())
    elif kind == "RGB":
        drawn = PIL.Image.fromarray(palette(256).numpy()[mask])
    drawn.save(folder / "masks" / f"{name}{ending}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(24):
        write_pair(tmp_path / "made", str(i), labels(i))
    return tmp_path / "made"


def seen(split: Any) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(split.in_order())
    return torch.cat([b.inputs for b in batches]), torch.cat([b.targets for b in batches])


def test_trained_measured_and_applied_after_the_pictures_are_gone(
    command: Command, write: Write, folder: Path, tmp_path: Path
) -> None:
    config = write("data: {type: mask_folder, path: made, batch_size: 8, augment: [flip]}\n" + MODEL + TRAINER)
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    run = fitted.json
    assert run["best"]["metrics"]["mean_iou"] > 0.9
    assert command("eval", run["run"], "--split", "test", "--json").json["metrics"]["mean_iou"] > 0.8
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(folder / "images" / "3.png", given)
    (given / "broken.png").write_bytes((folder / "images" / "4.png").read_bytes()[:60])
    shutil.rmtree(folder)
    said = command("predict", run["run"], given, "--out", "found.jsonl")
    assert said.status == 1 and "broken.png: not a whole picture" in said.err
    (row,) = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    mask = np.asarray(PIL.Image.open(row["mask"]))
    truth = labels(3)
    assert (mask[truth != 255] == truth[truth != 255]).mean() > 0.9
    assert row["shares"].keys() == {"0", "1"}


@pytest.mark.parametrize("kind", ["P", "L", "RGB"])
def test_palettes_greys_and_colours(kind: str, tmp_path: Path) -> None:
    for i in range(10):
        write_pair(tmp_path / "made", str(i), labels(i), kind)
    ignored = [int(n) for n in palette(256)[255]] if kind == "RGB" else "auto"
    read = data(type="mask_folder", path=str(tmp_path / "made"), ignored=ignored)
    names = ("#000000", "#800000") if kind == "RGB" else ("0", "1")
    assert isinstance(read.targets, Mask) and read.targets.names == names
    assert read.inputs == Image(3, SIDE, SIDE)
    for name in ("train", "dev", "test"):
        pictures, masks = seen(read.split(name))
        assert masks.dtype == torch.long and set(masks.unique().tolist()) == {0, 1, IGNORED}
        bright = pictures.mean(dim=1) > pictures.mean()
        assert torch.equal(bright, masks == 1)


def test_the_classes_of_the_training_pixels_are_counted(folder: Path) -> None:
    read = data(type="mask_folder", path=str(folder))
    _, masks = seen(read.split("train"))
    assert read.targets.counts == tuple(int((masks == c).sum()) for c in (0, 1))


def test_named_classes_in_their_order(folder: Path) -> None:
    read = data(type="mask_folder", path=str(folder), classes={"square": 1, "rest": 0})
    plain = data(type="mask_folder", path=str(folder))
    assert read.targets.names == ("square", "rest")
    (_, named), (_, found) = (seen(d.split("train")) for d in (read, plain))
    assert torch.equal(named == 0, found == 1) and torch.equal(named == IGNORED, found == IGNORED)
    colours = {"rest": [0, 0, 0], "square": [128, 0, 0]}
    coloured = data(type="mask_folder", path=str(folder), classes=colours, ignored=[224, 224, 192])
    assert torch.equal(seen(coloured.split("train"))[1], found)


def test_256_numbers_and_16_bits(tmp_path: Path) -> None:
    """Black and white masks, and numbers above 255."""
    for i in range(8):
        write_pair(tmp_path / "made", str(i), np.where(labels(i) == 1, 255, 0).astype(np.uint8), "L")
    read = data(type="mask_folder", path=str(tmp_path / "made"), classes={"no": 0, "yes": 255})
    assert set(seen(read.split("train"))[1].unique().tolist()) == {0, 1}
    assert data(type="mask_folder", path=str(tmp_path / "made"), ignored=None).targets.names == ("0", "255")
    for i in range(8):
        deep = np.where(labels(i) == 1, 1000, 7).astype(np.uint16)
        PIL.Image.fromarray(deep).save(tmp_path / "made" / "masks" / f"{i}.png")
    assert data(type="mask_folder", path=str(tmp_path / "made")).targets.names == ("7", "1000")


def test_parts_folders_and_endings(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("val", 3), ("test", 2)):
        for i in range(count):
            write_pair(tmp_path / "made" / part, f"deep/{part}{i}".replace("/", "-"), labels(i), ending="_mask")
    read = data(type="mask_folder", path=str(tmp_path / "made"), ending="_mask")
    assert {name: len(read.split(name)) for name in ("train", "dev", "test")} == {"train": 6, "dev": 3, "test": 2}


def test_masks_are_scaled_like_their_pictures_and_stay_masks(tmp_path: Path) -> None:
    for i in range(8):
        write_pair(tmp_path / "made", str(i), np.kron(labels(i), np.ones((3, 4), dtype=np.uint8)))
    read = data(type="mask_folder", path=str(tmp_path / "made"), size=[SIDE, SIDE], standardize=False)
    pictures, masks = seen(read.split("train"))
    assert masks.shape[1:] == (SIDE, SIDE) and set(masks.unique().tolist()) == {0, 1, IGNORED}
    known = masks != IGNORED
    assert ((pictures.mean(dim=1) > 0.5) == (masks == 1))[known].float().mean() > 0.97


@pytest.mark.parametrize("keep", ["memory", "disk", {"type": "files", "workers": 0}])
def test_wherever_they_are_kept_they_are_the_same(keep: Any, folder: Path) -> None:
    plain, kept = (data(type="mask_folder", path=str(folder), keep=how) for how in ("auto", keep))
    plan = [[torch.tensor([3, 1]), torch.tensor([0])], [torch.tensor([5, 5])]]
    for one, other in zip(plain.split("train").stream(plan), kept.split("train").stream(plan), strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets)


def test_other_codes_are_decoded_anew(folder: Path) -> None:
    """What was decoded before is found again by what the numbers stood for."""
    first = data(type="mask_folder", path=str(folder), classes={"a": 0, "b": 1})
    second = data(type="mask_folder", path=str(folder), classes={"b": 1, "a": 0})
    (_, one), (_, other) = (seen(d.split("train")) for d in (first, second))
    assert torch.equal(one == 0, other == 1)


def test_a_resumed_run_reads_the_masks_again(command: Command, write: Write, folder: Path, tmp_path: Path) -> None:
    text = "data: {type: mask_folder, path: made, batch_size: 4, augment: [flip, {type: shift, pixels: 2}]}\n" + MODEL
    config = write(text + "trainer: {length: 12 steps, evaluate: 4 steps, save: 4 steps, preflight: false}\n")
    verified = command("verify-resume", config)
    assert verified.status == 0, verified.err + verified.out
    run = command("fit", config, "--out", "runs", "--json").json["run"]
    assert command("eval", run, "--split", "train", "--json").status == 0


# --- What is wrong.


def refused(command: Command, write: Write, **settings: Any) -> str:
    given = {"type": "mask_folder", "path": "made", **settings}
    called = command("check", write(f"data: {json.dumps(given)}\n" + MODEL))
    assert called.status == 2, called.out
    assert "Traceback" not in called.err
    return called.err


def test_no_folder(command: Command, write: Write, tmp_path: Path) -> None:
    assert f"data.path: there is no folder {tmp_path / 'made'}" in refused(command, write)
    (tmp_path / "made").mkdir()
    assert "holds no folders images and masks, nor a folder train with these" in refused(command, write)
    (tmp_path / "made" / "images").mkdir()
    assert f"{tmp_path / 'made' / 'images'} holds no pictures (.bmp" in refused(command, write)
    PIL.Image.new("L", (8, 8)).save(tmp_path / "made" / "images" / "a.png")
    assert f"there is no folder {tmp_path / 'made' / 'masks'}" in refused(command, write)
    (tmp_path / "made" / "masks").mkdir()
    PIL.Image.new("L", (8, 8)).save(tmp_path / "made" / "masks" / "a.jpg")
    assert "holds no masks (.bmp, .gif, .pgm, .png" in refused(command, write)


def test_missing_partners_are_named(command: Command, write: Write, folder: Path) -> None:
    (folder / "masks" / "7.png").unlink()
    said = refused(command, write)
    assert f"{folder / 'images' / '7.png'} has no mask that is called alike in {folder / 'masks'}" in said
    (folder / "images" / "7.png").unlink()
    for i in range(5):
        (folder / "images" / f"{i}.png").unlink()
    assert "and 2 more have no picture that is called alike" in refused(command, write)


def test_two_pictures_of_one_name(command: Command, write: Write, folder: Path) -> None:
    PIL.Image.new("L", (SIDE, SIDE)).save(folder / "images" / "7.jpg")
    said = refused(command, write)
    assert "7.jpg" in said and "7.png are called alike" in said


def test_a_mask_of_another_size(command: Command, write: Write, folder: Path) -> None:
    PIL.Image.new("L", (SIDE, SIDE + 2)).save(folder / "masks" / "7.png")
    mask, picture = folder / "masks" / "7.png", folder / "images" / "7.png"
    assert f"{mask} has 16x18 pixels, and {picture} has 16x16; a mask is to be" in refused(command, write)


def test_a_number_that_is_of_no_class(command: Command, write: Write, folder: Path) -> None:
    strange = labels(7)
    strange[0, 0] = 9
    write_pair(folder, "7", strange)
    said = refused(command, write, classes={"rest": 0, "square": 1})
    assert (
        f"data.classes: {folder / 'masks' / '7.png'} holds the number 9, which stands for none of the classes" in said
    )
    assert "(number 0, number 1)" in said


def test_a_class_that_only_the_test_part_has(command: Command, write: Write, tmp_path: Path) -> None:
    for part in ("train", "test"):
        for i in range(4):
            write_pair(tmp_path / "made" / part, str(i), labels(i) + (part == "test") * np.uint8(1))
    said = refused(command, write)
    assert "test/masks/0.png holds the number 2, which stands for none of the classes" in said


def test_a_single_class(command: Command, write: Write, tmp_path: Path) -> None:
    for i in range(4):
        write_pair(tmp_path / "made", str(i), np.where(labels(i) == 1, 255, 0).astype(np.uint8), "L")
    said = refused(command, write)
    assert "hold only the number 0 beside the number 255, which counts nothing; write ignored: null" in said


def test_photographs_are_no_masks(command: Command, write: Write, tmp_path: Path) -> None:
    for i in range(4):
        write_pair(tmp_path / "made", str(i), labels(i))
        noise = np.random.default_rng(i).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
        PIL.Image.fromarray(noise).save(tmp_path / "made" / "masks" / f"{i}.png")
    assert "different colours, more than 255 classes; are they photographs" in refused(command, write)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": {"a": 0, "b": 0}}, "data.classes: expected a code of its own for each class"),
        ({"classes": {"a": 0, "b": 7}, "ignored": 7}, "none that is ignored"),
        ({"classes": {"a": 0, "b": [0, 0, 1]}}, "expected a number for each class, or a colour for each"),
        ({"classes": {"a": 0}}, "two classes are needed"),
        ({"ignored": [1, 2, 3]}, "data.ignored: these masks hold numbers"),
        ({"ending": "_mask"}, "does not end in _mask"),
        ({"classes": {"a": [0, 0, 300], "b": [0, 0, 1]}}, "data.classes"),
        ({"size": [0, 4]}, "data.size.0"),
    ],
)
def test_settings_that_cannot_be(
    settings: dict[str, Any], message: str, command: Command, write: Write, folder: Path
) -> None:
    assert message in refused(command, write, **settings)


def test_broken_files_are_named_and_left_out(command: Command, write: Write, folder: Path) -> None:
    (folder / "masks" / "3.png").write_bytes((folder / "masks" / "3.png").read_bytes()[:-30])
    (folder / "images" / "5.png").write_bytes(b"")
    said = refused(command, write)
    assert "2 of 24 files are no whole pictures" in said and "masks/3.png" in said and "images/5.png" in said
    called = command("check", write(f"data: {{type: mask_folder, path: made, broken: 0.2}}\n{MODEL}"))
    assert called.status == 0, called.err
    assert "left out" in called.err and "masks/3.png" in called.err


def test_codes_by_hand() -> None:
    content = io_png(np.array([[5, 9], [255, 5]], dtype=np.uint8))
    codes = Codes((9, 5), are_colours=False, ignored=255)
    assert codes(content, Image(1, 2, 2)).tolist() == [[[1, 0], [255, 1]]]
    assert packed([1, 2, 3]) == 0x010203


def io_png(numbers: np.ndarray[Any, Any]) -> bytes:
    import io

    file = io.BytesIO()
    PIL.Image.fromarray(numbers).save(file, "PNG")
    return file.getvalue()
