"""Pictures with objects in them: the user's own in COCO's form, and COCO itself."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from nntrain.data import Learned
from nntrain.data.class_folders import Part
from nntrain.data.coco_file import CocoFile, Reading, all_of
from nntrain.data.image_files import scaled
from nntrain.data.image_folder import Size, common_size, measured
from nntrain.data.image_set import NAMED, FromPictures, Listing
from nntrain.data.objects import Annotated, as_tensors
from nntrain.data.places import cache_folder, needed_from_elsewhere, roots
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import Auto, PathText
from nntrain.specs import Boxes, Image, Instances


@data("coco_json", within=FromPictures)
class CocoJson:
    """Your own pictures with objects in them, as a JSON file of COCO's form describes them.

    The file has the lists images (id, file_name, height, width), categories (id, name) and annotations (id, image_id,
    category_id, bbox as [left, top, width, height] in pixels, segmentation, iscrowd). Masks are polygons or run
    lengths; what is a crowd is not learned, and need not be found. All pictures are scaled to one size, and the
    boxes with them. Classes are the categories of the training set, in the order of their ids.

    Source: https://cocodataset.org/#format-data.

    Settings:
        path: the JSON file
        images: the folder that its file names start from; left out, the folder of the JSON file
        dev: the JSON file of the dev set; left out, it is taken from the training set
        test: the JSON file of the test set; left out, it is taken from the training set
        masks: whether masks are to be learned too
        size: height and width; auto is the pictures' own where all are alike, else a square whose side is the
            median of their shorter sides, at most 224
        channels: 1 for grey, 3 for colours; auto is 3 where any picture has colours
    """

    def __init__(
        self,
        *,
        path: PathText,
        images: PathText | None = None,
        dev: PathText | None = None,
        test: PathText | None = None,
        masks: bool = False,
        size: Size | Auto = "auto",
        channels: Literal[1, 3] | Auto = "auto",
    ) -> None:
        self._paths: dict[Part, str | None] = {"train": path, "dev": dev, "test": test}
        self._images = images
        self._masks = masks
        self._size = size
        self._channels = channels

    def listing(self, stored: Learned | None) -> Listing:
        found: Reading = all_of(self._readings(stored))
        if found.faults:
            raise UnfitError(_some(found.faults), "path")
        sizes = measured([picture.file for picture in found.pictures])
        _check_sizes(found.pictures, sizes)
        size = common_size(sizes, self._size, self._channels) if stored is None else stored.inputs
        assert isinstance(size, Image)
        return _listing("coco_json", found.pictures, size, self._names, self._masks)

    def _readings(self, stored: Learned | None) -> Iterator[Reading]:
        settings = {"train": "path", "dev": "dev", "test": "test"}
        files = {part: CocoFile(Path(path), settings[part]) for part, path in self._paths.items() if path is not None}
        self._names = files["train"].names() if stored is None else _names_of(stored)
        for part, file in files.items():
            folder = Path(self._images) if self._images else file.path.parent
            yield file.read(folder, part, self._names, self._masks)


@data("coco", within=FromPictures)
class Coco:
    """COCO: 118,287 photographs with objects of 80 categories for training, 5,000 (val2017) as dev set.

    Source: Lin et al., Microsoft COCO: common objects in context, 2014, arXiv:1405.0312.

    Settings:
        root: the folder that holds coco/train2017, coco/val2017 and coco/annotations; left out, $NNTRAIN_DATA, else
            the user's cache directory (it is never downloaded: the photographs take 19 GB)
        masks: whether masks are to be learned too
        size: height and width that all photographs are scaled to
    """

    def __init__(
        self,
        *,
        root: PathText | None = None,
        masks: bool = False,
        size: Size = [320, 320],  # noqa: B006
    ) -> None:
        self._root = root
        self._masks = masks
        self._size = size

    def listing(self, stored: Learned | None) -> Listing:
        folder = self._folder()
        parts: dict[Part, str] = {"train": "train2017", "dev": "val2017"}
        files = {
            part: CocoFile(folder / "annotations" / f"instances_{name}.json", "root") for part, name in parts.items()
        }
        names = files["train"].names() if stored is None else _names_of(stored)
        found = all_of(file.read(folder / parts[part], part, names, self._masks) for part, file in files.items())
        if found.faults:  # a few boxes have no area
            print(f"left out: {_some(found.faults)}", file=sys.stderr)
        return _listing("coco", found.pictures, Image(3, *self._size), names, self._masks)

    def _folder(self) -> Path:
        for place in roots(self._root):
            if (place / "coco" / "annotations" / "instances_train2017.json").is_file():
                return place / "coco"
        if self._root is not None:
            raise UnfitError(f"{self._root} holds no coco/annotations/instances_train2017.json", "root")
        needed_from_elsewhere("coco")
        raise UserError(
            "coco is not on this machine, and is not downloaded, since it takes 19 GB; put train2017, val2017 and "
            f"annotations (from https://cocodataset.org/#download) into {cache_folder() / 'data' / 'coco'}, or set "
            "data.root or NNTRAIN_DATA"
        )


def _listing(
    name: str, pictures: Sequence[Annotated], size: Image, names: tuple[str, ...], with_masks: bool
) -> Listing:
    objects = as_tensors(pictures, size, with_masks)
    kind = Instances if with_masks else Boxes
    files, parts = [picture.file for picture in pictures], [picture.part for picture in pictures]
    return Listing(name, files, objects, kind(names, objects.labels.shape[1]), parts, size, decode=scaled)


def _names_of(stored: Learned) -> tuple[str, ...]:
    assert isinstance(stored.targets, Boxes | Instances)
    return stored.targets.names


def _check_sizes(pictures: Sequence[Annotated], sizes: Sequence[Image | str]) -> None:
    """UnfitError where a picture is of another size than its file says: then its boxes are of another picture."""
    for picture, size in zip(pictures, sizes, strict=True):
        if isinstance(size, Image) and (size.height, size.width) != (picture.height, picture.width):
            raise UnfitError(
                f"{picture.file} is of {size.width}x{size.height} pixels (width x height), its annotations are for "
                f"{picture.width}x{picture.height}",
                "path",
            )


def _some(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return "; ".join(faults[:NAMED]) + more
