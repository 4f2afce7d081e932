"""Pictures with objects in files: COCO's form, its faults, COCO's and VOC's folders, runs by the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import component
from PIL import Image
from pycocotools import mask as masks

from conftest import Called
from nntrain.batch import IGNORED, Batch, Objects
from nntrain.data import Dataset
from nntrain.data.places import WithheldError, downloads
from nntrain.errors import UnfitError, UserError
from nntrain.specs import Boxes, Instances

Command = Callable[..., Called]
Write = Callable[..., Path]
CPU = torch.device("cpu")
CATEGORIES = [{"id": 7, "name": "ball"}, {"id": 3, "name": "box"}]
SQUARE = [[4.0, 2.0, 12.0, 2.0, 12.0, 10.0, 4.0, 10.0]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def draw(path: Path, height: int = 20, width: int = 40) -> None:
    """A dark picture with a bright square from (4, 2) to (12, 10)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), 20, dtype=np.uint8)
    pixels[2:10, 4:12] = 220
    Image.fromarray(pixels).save(path)


def described(count: int = 3, height: int = 20, width: int = 40) -> dict[str, Any]:
    """As many pictures of a box each, the first with a crowd and a ball besides."""
    images = [{"id": 10 + i, "file_name": f"{i}.png", "height": height, "width": width} for i in range(count)]
    boxes = [
        {"id": i, "image_id": 10 + i, "category_id": 3, "bbox": [4, 2, 8, 8], "area": 64, "segmentation": SQUARE}
        for i in range(count)
    ]
    ball = np.zeros((height, width), dtype=np.uint8, order="F")
    ball[10:20, 20:40] = 1
    lengths = masks.encode(ball)
    more = [
        {"id": 100, "image_id": 10, "category_id": 7, "bbox": [20, 10, 20, 10], "iscrowd": 0,
         "segmentation": {"size": [height, width], "counts": lengths["counts"].decode()}},
        {"id": 101, "image_id": 10, "category_id": 3, "bbox": [0, 0, 2, 20], "iscrowd": 1,
         "segmentation": {"size": [height, width], "counts": [0, 2 * height, (width - 2) * height]}},
    ]  # fmt: skip
    return {"images": images, "annotations": [*boxes, *more], "categories": [dict(one) for one in CATEGORIES]}


def save(folder: Path, content: Any, name: str = "objects.json") -> Path:
    for image in content.get("images", []) if isinstance(content, dict) else []:
        draw(folder / image["file_name"], image["height"] or 20, image["width"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder / name


def data_set(name: str = "coco_json", **settings: Any) -> Dataset:
    plain = {"standardize": False, "split": {"dev": 0, "test": 0.3}}
    return component("data", {"type": name, **plain, **settings})(CPU, None)


def everything(data: Dataset, part: str = "train") -> Batch:
    split = data.split(part)
    assert split is not None
    return next(iter(split.in_order()))


def first_objects(path: Path, **settings: Any) -> Objects:
    """Of the picture with three objects, which has most."""
    objects: Objects = everything(
        data_set(path=str(path), split={"dev": 0, "test": 0.34, "seed": 1}, **settings)
    ).targets
    (chosen,) = (objects.are_there.sum(dim=1) == 3).nonzero().flatten().tolist()
    return Objects(*(None if part is None else part[chosen] for part in objects))


def test_boxes_labels_and_crowds_are_as_the_file_says(tmp_path: Path) -> None:
    path = save(tmp_path, described())
    data = data_set(path=str(path))
    assert data.targets == Boxes(("box", "ball"), 3, data.targets.counts) and data.inputs.shape == (3, 20, 40)
    objects = first_objects(path)
    assert objects.boxes.tolist() == [[4, 2, 12, 10], [20, 10, 40, 20], [0, 0, 2, 20]]
    assert objects.labels.tolist() == [0, 1, 0] and objects.crowds.tolist() == [False, False, True]
    assert objects.sizes.tolist() == [20, 40] and objects.masks is None


def test_pictures_are_scaled_to_one_size_with_their_boxes_and_masks(tmp_path: Path) -> None:
    objects = first_objects(save(tmp_path, described()), size=[40, 20], masks=True)
    assert objects.boxes.tolist() == [[2, 4, 6, 20], [10, 20, 20, 40], [0, 0, 1, 40]]
    assert objects.masks is not None and objects.masks.shape == (3, 40, 20)
    for box, mask in zip(objects.boxes.long().tolist(), objects.masks, strict=True):
        expected = torch.zeros(40, 20, dtype=torch.bool)
        expected[box[1] : box[3], box[0] : box[2]] = True
        assert torch.equal(mask, expected)


def test_nothing_is_cut_from_a_picture(tmp_path: Path) -> None:
    data = data_set(path=str(save(tmp_path, described())), size=[20, 20])
    picture = everything(data).inputs[0]
    bright = (picture.mean(dim=0) > 0.5).nonzero()
    assert bright.amin(dim=0).tolist() == [2, 2] and bright.amax(dim=0).tolist() == [9, 5]


def test_parts_of_their_own_have_the_classes_of_the_training_set(tmp_path: Path) -> None:
    path = save(tmp_path / "a", described())
    other = described(2)
    other["categories"] = [{"id": 1, "name": "box"}]
    other["annotations"] = [{"id": 0, "image_id": 10, "category_id": 1, "bbox": [4, 2, 8, 8]}]
    dev = save(tmp_path / "b", other, "dev.json")
    data = data_set(path=str(path), dev=str(dev), test=str(dev), split={})
    objects = everything(data, "dev").targets
    assert objects.labels.tolist() == [[0, IGNORED, IGNORED], [IGNORED] * 3]


def broken(**changes: Any) -> dict[str, Any]:
    """The first annotation, or image, with other entries."""
    content = described()
    for place, entries in changes.items():
        for key, value in entries.items():
            content[place][0][key] = value
    return content


FAULTS: dict[str, tuple[Any, str]] = {
    "beyond": (
        broken(annotations={"bbox": [30, 2, 20, 8]}),
        r"annotation 0: the box \[30, 2, 20, 8\] is not inside of 0.png of 40x20 pixels",
    ),
    "left of it": (broken(annotations={"bbox": [-9, 2, 5, 8]}), "annotation 0: the box"),
    "no area": (broken(annotations={"bbox": [4, 2, 0, 8]}), "annotation 0: the box .* has no area"),
    "negative": (broken(annotations={"bbox": [4, 2, 8, -8]}), "annotation 0: the box .* has no area"),
    "no numbers": (broken(annotations={"bbox": [4, 2, "8", 8]}), r"annotation 0: expected bbox as \[left, top, wid"),
    "not a number": (broken(annotations={"bbox": [4, 2, float("nan"), 8]}), "annotation 0: expected bbox"),
    "three": (broken(annotations={"bbox": [4, 2, 8]}), "annotation 0: expected bbox"),
    "category": (broken(annotations={"category_id": 99}), "annotation 0: the category 99 is not one of the file's"),
    "picture": (broken(annotations={"image_id": 99}), "annotation 0: there is no image 99"),
    "no list": ({"images": [], "categories": CATEGORIES}, "expected a list 'annotations' of entries with id"),
    "no name": (described() | {"categories": [{"id": 3}]}, r"categories\[0\] has no 'name'"),
    "same names": (broken(categories={"name": "box"}), "two categories are called 'box'"),
    "no categories": (described() | {"categories": []}, "has no categories"),
    "same ids": (broken(images={"id": 11}), "two images have the same id"),
    "no size": (broken(images={"height": 0}), "image 10: expected height and width in pixels, found 0 and 40"),
    "an id": (broken(images={"id": [10]}), r"images\[0\]: expected a number or text as 'id'"),
    "an id of others": (
        broken(annotations={"category_id": [1]}),
        r"annotations\[0\]: expected a number or text as",
    ),
    "a list": ([1, 2], "expected a list 'images'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named_by_its_id(fault: str, tmp_path: Path) -> None:
    content, message = FAULTS[fault]
    path = save(tmp_path, content)
    with pytest.raises(UnfitError, match=message) as caught:
        data_set(path=str(path))
    assert str(path) in str(caught.value) and caught.value.path[-1] == "path"


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([[1, 2, 3, 4]], "annotation 0: expected segmentation as polygons"),
        (None, "annotation 0: expected segmentation"),
        ({"size": [5, 5], "counts": [25]}, r"annotation 0: the mask is of \[5, 5\], the image of \[20, 40\]"),
    ],
)
def test_masks_that_are_none(outline: Any, message: str, tmp_path: Path) -> None:
    path = save(tmp_path, broken(annotations={"segmentation": outline}))
    assert data_set(path=str(path)).targets.most == 3  # boxes alone need no masks
    with pytest.raises(UnfitError, match=message):
        data_set(path=str(path), masks=True)


def test_missing_files_are_named_with_the_others(tmp_path: Path) -> None:
    path = save(tmp_path, broken(annotations={"category_id": 99}))
    (tmp_path / "1.png").unlink()
    with pytest.raises(UnfitError, match=r"image 11: there is no file .*1\.png; .*annotation 0: the category"):
        data_set(path=str(path))


def test_files_that_are_no_json_and_pictures_of_other_sizes(tmp_path: Path) -> None:
    path = save(tmp_path, described())
    draw(tmp_path / "1.png", 30, 30)
    with pytest.raises(UnfitError, match=r"1.png is of 30x30 pixels \(width x height\), its annotations are for 40x20"):
        data_set(path=str(path))
    path.write_text("{")
    with pytest.raises(UnfitError, match="is no JSON"):
        data_set(path=str(path))
    with pytest.raises(UnfitError, match="cannot be read: No such file"):
        data_set(path=str(tmp_path / "none.json"))


def test_a_class_that_the_training_set_has_not_is_named(tmp_path: Path) -> None:
    other = described(2) | {"categories": [*CATEGORIES, {"id": 1, "name": "new"}]}
    other["annotations"][0]["category_id"] = 1
    dev = save(tmp_path / "b", other, "dev.json")
    with pytest.raises(UnfitError, match=r"dev.json: annotation 0: the category 1 is not one of the training set's"):
        data_set(path=str(save(tmp_path / "a", described())), dev=str(dev), split={})


def test_a_box_that_reaches_beyond_by_rounding_is_cut(tmp_path: Path) -> None:
    objects = first_objects(save(tmp_path, broken(annotations={"bbox": [-0.5, 2, 41, 8]})))
    assert objects.boxes[0].tolist() == [0, 2, 40, 10]


CONFIG = """
data: {type: coco_json, path: train.json, images: pictures, masks: MASKS, batch_size: 4, size: [32, 32],
       augment: [flip, crop, colour]}
model: MODEL
task: {type: TASK, threshold: 0.0}
trainer: {length: 6 steps, evaluate: 3 steps, log: 2 steps, threads: 1}
"""
SMALL = "channels: 4, backbone: {type: resnet, width: 4}"


@pytest.mark.parametrize("task", ["detection", "instance_segmentation"])
def test_trained_measured_and_applied_after_the_pictures_are_gone(
    task: str, command: Command, write: Write, tmp_path: Path
) -> None:
    has_masks = task == "instance_segmentation"
    model = f"{{type: mask_rcnn, hidden: 4, min_size: 32, {SMALL}}}" if has_masks else f"{{type: center_net, {SMALL}}}"
    text = CONFIG.replace("MODEL", model).replace("TASK", task).replace("MASKS", str(has_masks).lower())
    save(tmp_path / "pictures", described(12))
    (tmp_path / "pictures" / "objects.json").rename(tmp_path / "train.json")
    config = write(text)
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    run = fitted.json["run"]
    assert command("eval", run, "--split", "test", "--json").json["metrics"].keys() == fitted.json["dev"].keys()

    (tmp_path / "train.json").unlink()
    draw(tmp_path / "new" / "large.png", 100, 300)
    (tmp_path / "new" / "none.png").write_bytes(b"no picture")
    applied = command("predict", run, tmp_path / "new")
    assert applied.status == 1 and "none.png: not a whole picture" in applied.err
    (row,) = map(json.loads, applied.out.splitlines())
    assert row["file"].endswith("large.png") and row["objects"]
    for found in row["objects"]:
        assert found["class"] in ("box", "ball") and 0 <= found["score"] <= 1
        left, top, right, bottom = found["box"]
        assert 0 <= left <= right <= 300 and 0 <= top <= bottom <= 100
        if has_masks:
            assert masks.decode(found["mask"]).shape == (100, 300)
    assert max(found["box"][2] for found in row["objects"]) > 100  # in the file's own pixels, not in those of 32x32


def voc(folder: Path) -> None:
    """As the challenge's archive unpacks: two photographs for training, one for validation."""
    root = folder / "VOCdevkit" / "VOC2012"
    for name in ("a", "b", "c"):
        draw(root / "JPEGImages" / f"{name}.jpg")
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{name}.xml").write_text(
            "<annotation><size><width>40</width><height>20</height><depth>3</depth></size>"
            "<object><name>cat</name><difficult>0</difficult><bndbox><xmin>5</xmin><ymin>3</ymin><xmax>12</xmax>"
            "<ymax>10</ymax></bndbox></object><object><name>tvmonitor</name><difficult>1</difficult>"
            "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>20</ymax></bndbox></object></annotation>"
        )
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\nb\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("c\n")


def test_voc_in_its_own_layout(tmp_path: Path) -> None:
    voc(tmp_path)
    data = data_set("voc", root=str(tmp_path), size=[20, 40], split={"test": 0.5})
    assert isinstance(data.targets, Boxes) and len(data.targets) == 20
    objects = everything(data, "dev").targets
    assert objects.boxes.tolist() == [[[4, 2, 12, 10], [0, 0, 40, 20]]]
    assert [data.targets.names[label] for label in objects.labels[0]] == ["cat", "tvmonitor"]
    assert objects.crowds.tolist() == [[False, True]]  # what is difficult need not be found


def test_voc_with_a_broken_annotation(tmp_path: Path) -> None:
    voc(tmp_path)
    broken_file = tmp_path / "VOCdevkit" / "VOC2012" / "Annotations" / "b.xml"
    broken_file.write_text("<annotation><object><name>unicorn</name></object></annotation>")
    with pytest.raises(UserError, match=r"b\.xml is no annotation of voc"):
        data_set("voc", root=str(tmp_path), split={"test": 0.5})


def coco(folder: Path) -> None:
    for name, count in (("train2017", 3), ("val2017", 2)):
        content = described(count)
        if name == "train2017":
            content["annotations"][1]["bbox"] = [4, 2, 8, 0]
        save(folder / "coco" / name, content)
        (folder / "coco" / "annotations").mkdir(exist_ok=True)
        (folder / "coco" / name / "objects.json").rename(folder / "coco" / "annotations" / f"instances_{name}.json")


@pytest.mark.parametrize("has_masks", [False, True])
def test_coco_in_its_own_layout(has_masks: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco(tmp_path)
    data = data_set("coco", root=str(tmp_path), size=[32, 32], masks=has_masks, split={"test": 0.34})
    assert isinstance(data.targets, Instances if has_masks else Boxes)
    dev = data.split("dev")
    assert dev is not None and len(dev) == 2
    assert "annotation 1: the box [4, 2, 8, 0] has no area" in capsys.readouterr().err  # left out, and said


def test_coco_is_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    with pytest.raises(UserError, match="is not downloaded, since it takes 19 GB; put train2017"):
        data_set("coco")
    with pytest.raises(UnfitError, match="holds no coco/annotations"):
        data_set("coco", root=str(tmp_path))
    for name in ("coco", "voc"):
        with downloads(allowed=False), pytest.raises(WithheldError):
            data_set(name)


def test_masks_that_would_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nntrain.data.objects.MOST_BYTES", 1000)
    with pytest.raises(UnfitError, match="masks of 3 pictures with up to 3 objects would take") as caught:
        data_set(path=str(save(tmp_path, described())), masks=True)
    assert caught.value.path[-1] == "masks"
