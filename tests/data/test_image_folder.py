"""The user's own pictures: read, kept, divided, trained on and applied, by the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nntrain.data import image_files
from nntrain.data.class_folders import find
from nntrain.data.image_files import BrokenImageError, decode
from nntrain.specs import Image as ImageSpec
from runs import last, only_run

Command = Callable[..., Any]
FORMATS = ("png", "jpg", "webp", "bmp")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nntrain" / "pictures"


def draw(path: Path, brightness: int, size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
    """A picture with some noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 40, (*size, 3))
    Image.fromarray((noise + brightness).astype(np.uint8)).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Dark and bright pictures, 20 of each, in all formats."""
    for name, brightness in (("dark", 20), ("bright", 180)):
        for i in range(20):
            draw(tmp_path / "pictures" / name / f"{i}.{FORMATS[i % 4]}", brightness, seed=i)
    return tmp_path / "pictures"


CONFIG = """
data: {{type: image_folder, path: {path}, batch_size: 8}}
model: {{type: mlp, hidden: [4]}}
trainer: {{length: 20 epochs, threads: 1}}
"""


def test_trained_measured_and_applied_after_the_pictures_are_gone(
    command: Command, write: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    config = write(CONFIG.format(path="pictures"))
    fitted = command("fit", config, "--json").json
    assert fitted["best"]["metrics"]["error_rate"] == 0
    assert command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]["accuracy"] == 1
    checkpoint = tmp_path / "elsewhere" / "model.safetensors"
    checkpoint.parent.mkdir()
    shutil.copy(fitted["best"]["checkpoint"], checkpoint)
    draw(tmp_path / "new" / "night.png", 10)
    draw(tmp_path / "new" / "noon.jpg", 190, size=(31, 20))
    shutil.rmtree(pictures)
    shutil.rmtree(tmp_path / "cache")
    said = command("predict", checkpoint, tmp_path / "new")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [(Path(row["file"]).name, row["class"]) for row in rows] == [("night.png", "dark"), ("noon.jpg", "bright")]


@pytest.mark.parametrize("keep", ["memory", "files"])
def test_pictures_are_augmented_alike_wherever_they_are_kept(
    command: Command, write: Callable[..., Path], pictures: Path, keep: str, tmp_path: Path
) -> None:
    config = write(CONFIG.format(path="pictures"))
    changes = ("data.augment=[flip, crop, colour, trivial_augment]", "data.mix=cutmix", "trainer.length=2 epochs")
    weights = []
    for name, overrides in (
        ("plain", ["trainer.length=2 epochs"]),
        ("augmented", [*changes, "data.keep=disk"]),
        ("elsewhere", [*changes, f"data.keep={keep}"]),
    ):
        said = command("fit", config, *overrides, "--out", name)
        assert said.status == 0, said.err
        weights.append(last(only_run(tmp_path / name)).part("model"))
    plain, augmented, elsewhere = weights
    assert all(torch.equal(augmented[name], elsewhere[name]) for name in augmented)
    assert not all(torch.equal(augmented[name], plain[name]) for name in augmented)


@pytest.mark.parametrize("keep", ["auto", "memory", "disk", "files", "{type: files, workers: 0}", "{limit: 1e-9}"])
def test_where_pictures_are_kept_changes_no_bit(
    command: Command, write: Callable[..., Path], pictures: Path, keep: str, tmp_path: Path
) -> None:
    config = write(CONFIG.format(path="pictures"))
    weights = []
    for name, kept in (("plain", "memory"), ("other", keep)):
        said = command("fit", config, f"data.keep={kept}", "trainer.length=2 epochs", "--out", name)
        assert said.status == 0
        weights.append(last(only_run(tmp_path / name)).part("model"))
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_what_picks_the_place_is_its_size_and_is_said(
    command: Command, write: Callable[..., Path], pictures: Path
) -> None:
    config = write(CONFIG.format(path="pictures"))
    assert "40 pictures are kept in memory (0.0 MB)" in command("fit", config, "trainer.length=1 epochs").err
    assert "kept on disk" in command("fit", config, "data.keep={limit: 1e-9}", "trainer.length=1 epochs").err


def test_pictures_are_decoded_once(
    command: Command, write: Callable[..., Path], pictures: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(CONFIG.format(path="pictures"))
    first = command("fit", config, "--json").json
    assert len(list(cache.glob("*.npy"))) == 1
    monkeypatch.setattr(image_files, "decode", None)
    assert command("fit", config, "--json").json["dev"] == first["dev"]
    monkeypatch.undo()
    draw(pictures / "dark" / "0.png", 60)  # another content is another set
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent))
    command("fit", config)
    assert len(list(cache.glob("*.npy"))) == 2
    assert not list(cache.glob("*.part*"))


def test_folders_of_parts_are_taken_as_they_are(command: Command, write: Callable[..., Path], tmp_path: Path) -> None:
    for part, count in (("train", 6), ("val", 3), ("test", 2)):
        for name, brightness in (("a", 10), ("b", 190)):
            for i in range(count):
                draw(tmp_path / "parted" / part / name / f"{i}.png", brightness, seed=i)
    config = write(CONFIG.format(path="parted"))
    splits = command("data", config, "--json").json["splits"]
    assert {name: part["examples"] for name, part in splits.items()} == {"train": 12, "dev": 6, "test": 4}
    draw(tmp_path / "parted" / "test" / "c" / "0.png", 100)
    refused = command("check", config)
    assert refused.status == 2
    assert "the class 'c' of the test part is not one of the training part's" in refused.err


def test_a_table_of_labels(command: Command, write: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    files = sorted(file.relative_to(pictures) for file in pictures.rglob("*.*"))
    rows = "".join(f"{file},{len(file.parts[0])},{'test' if i % 5 == 0 else 'train'}\n" for i, file in enumerate(files))
    write("file,label,part\n" + rows, "labels.csv")
    config = write(CONFIG.format(path="pictures").replace("batch_size", "labels: labels.csv, batch_size"))
    facts = command("data", config, "--json").json
    assert facts["splits"]["test"]["examples"] == 8
    assert set(facts["splits"]["train"]["classes"]) == {"4", "6"}
    for text, said in (
        ("file,label,part\nnone.png,4,train\n", "labels.csv:2: there is no file"),
        ("file,label,part\ndark/0.png,,train\n", "labels.csv:2: there is no label"),
        ("file,label,part\ndark/0.png,4,tests\n", "labels.csv:2: expected the part train, dev or test, found 'tests'"),
        ("dark/0.png,4\n", "labels.csv: expected a first row file,label (and part)"),
        ("", "labels.csv is empty; expected a row"),
    ):
        write(text, "labels.csv")
        refused = command("check", config)
        assert refused.status == 2
        assert said in refused.err
        assert "my.yaml:2:" in refused.err


def test_broken_pictures_are_named_and_left_out_unless_they_are_many(
    command: Command, write: Callable[..., Path], pictures: Path
) -> None:
    whole = (pictures / "dark" / "4.png").read_bytes()
    (pictures / "dark" / "4.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "bright" / "5.jpg").write_bytes(b"")
    config = write(CONFIG.format(path="pictures"))
    refused = command("check", config)
    assert refused.status == 2
    assert "2 of 40 files are no whole pictures, more than the share of 0.01" in refused.err
    assert "dark/4.png: image file is truncated" in refused.err
    assert "bright/5.jpg: no known format" in refused.err
    told = command("fit", config, "data.broken=0.1", "--json")
    assert told.status == 0
    assert "dark/4.png" in told.err
    assert "bright/5.jpg" in told.err
    sizes = command("data", config, "data.broken=0.1", "--json").json["splits"]
    assert sum(part["examples"] for part in sizes.values()) == 38


def test_a_file_that_breaks_while_it_is_used_ends_the_run_with_its_name(
    command: Command, write: Callable[..., Path], pictures: Path
) -> None:
    whole = (pictures / "dark" / "4.png").read_bytes()
    (pictures / "dark" / "4.png").write_bytes(whole[: len(whole) // 2])
    config = write(CONFIG.format(path="pictures"))
    kept = ("data.keep=files", "data.standardize=false", "data.split={dev: 0, test: 0.1}")
    failed = command("fit", config, *kept, "trainer.preflight=false")
    assert failed.status in (1, 2)
    assert "dark/4.png (number" in failed.err
    assert "Traceback" not in failed.err


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (shutil.rmtree, "there is no folder"),
        (lambda folder: [shutil.rmtree(folder / name) for name in ("dark", "bright")], "holds no pictures in folders"),
        (lambda folder: shutil.rmtree(folder / "dark"), "holds only the class 'bright'"),
    ],
    ids=["no folder", "empty", "one class"],
)
def test_what_is_no_set_of_pictures_is_refused(
    command: Command, write: Callable[..., Path], pictures: Path, prepare: Callable[[Path], object], said: str
) -> None:
    prepare(pictures)
    refused = command("check", write(CONFIG.format(path="pictures")))
    assert refused.status == 2
    assert said in refused.err
    assert "my.yaml:2:" in refused.err


def test_what_cannot_be_read_is_said_and_the_others_go_on(
    command: Command, write: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    run = command("fit", write(CONFIG.format(path="pictures")), "trainer.length=1 epochs", "--json").json["run"]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    draw(tmp_path / "good.png", 100)
    said = command("predict", run, "broken.png", "good.png", "none.png", "--out", "found.csv")
    assert said.status == 1
    assert "broken.png: not a whole picture: no known format" in said.err
    assert "none.png: not a whole picture: No such file" in said.err
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 2


def test_a_folder_without_pictures_is_named_and_the_others_go_on(
    command: Command, write: Callable[..., Path], pictures: Path, tmp_path: Path
) -> None:
    run = command("fit", write(CONFIG.format(path="pictures")), "trainer.length=1 epochs", "--json").json["run"]
    (tmp_path / "empty").mkdir()
    draw(tmp_path / "good.png", 100)
    said = command("predict", run, "empty", "good.png", "--out", "found.csv")
    assert said.status == 1
    assert "empty holds no pictures (.bmp" in said.err
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 2


def test_links_to_folders_are_followed_but_not_in_circles(pictures: Path, tmp_path: Path) -> None:
    before = find(pictures, {".png"})
    shutil.move(pictures / "dark", tmp_path / "elsewhere")
    (pictures / "dark").symlink_to(tmp_path / "elsewhere")
    (pictures / "dark" / "up").symlink_to(tmp_path / "elsewhere")
    (pictures / "bright" / "top").symlink_to(pictures)
    assert find(pictures, {".png"}) == before


def test_a_class_without_pictures_is_named(command: Command, write: Callable[..., Path], pictures: Path) -> None:
    (pictures / "grey").mkdir()
    (pictures / "grey" / "1.heic").write_bytes(b"of a telephone")
    (pictures / ".thumbnails").mkdir()
    checked = command("check", write(CONFIG.format(path="pictures")))
    assert checked.status == 0
    assert checked.err.count("and is left out") == 1
    assert f"{pictures / 'grey'} holds no pictures (.bmp" in checked.err


def test_parts_beside_other_folders_are_refused(command: Command, write: Callable[..., Path], pictures: Path) -> None:
    for part in ("train", "test"):
        shutil.copytree(pictures / "dark", pictures / part / "dark")
        shutil.copytree(pictures / "bright", pictures / part / "bright")
    refused = command("check", write(CONFIG.format(path="pictures")))
    assert refused.status == 2
    assert "has folders of parts (test, train) and others (bright, dark); move these elsewhere" in refused.err


GREY, COLOUR = ImageSpec(1, 4, 4), ImageSpec(3, 4, 4)


def saved(path: Path, picture: Image.Image) -> bytes:
    picture.save(path)
    return path.read_bytes()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = (np.arange(16).reshape(4, 4) * 257 * 16).astype(np.uint16)
    pixels = decode(saved(tmp_path / "deep.png", Image.fromarray(values)), GREY)
    assert pixels.flatten().tolist() == [16 * i for i in range(16)]


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    picture.putpixel((0, 0), (10, 20, 30, 255))
    pixels = decode(saved(tmp_path / "clear.png", picture), COLOUR)
    assert pixels[:, 0, 0].tolist() == [10, 20, 30]
    assert bool((pixels.flatten(1)[:, 1:] == 255).all())


def test_another_size_is_scaled_and_its_middle_cut_out(tmp_path: Path) -> None:
    picture = Image.new("L", (16, 8), 0)
    picture.paste(200, (4, 0, 12, 8))  # the middle square
    pixels = decode(saved(tmp_path / "wide.png", picture), GREY)
    assert bool((pixels[0, 1:3, 1:3] == 200).all())


def test_a_picture_on_its_side_is_set_upright(tmp_path: Path) -> None:
    picture = Image.new("L", (8, 4), 0)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "side.jpg", exif=exif)
    assert image_files.measure(tmp_path / "side.jpg") == ImageSpec(1, 8, 4)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    content = saved(tmp_path / "bomb.png", Image.new("1", (100, 100)))
    with pytest.raises(BrokenImageError, match="bomb"):
        decode(content, GREY)
