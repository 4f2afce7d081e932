"""The user's own pictures: a folder for each class, or a table of labels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Len

from nntrain.data import Learned
from nntrain.data.class_folders import classes_of, labelled_files, numbers_of
from nntrain.data.image_files import SUFFIXES, THREADS, BrokenImageError, measure
from nntrain.data.image_set import FromPictures, Listing
from nntrain.registry import data
from nntrain.settings import Auto, PathText
from nntrain.specs import Classes, Image

LARGEST = 224  # pixels of a side that is not given
Side = Annotated[int, Ge(1)]
Size = Annotated[list[Side], Len(2, 2)]


@data("image_folder", within=FromPictures)
class ImageFolder:
    """Your own pictures: a folder for each class (cat/1.png, dog/7.jpg ...), or a table of labels.

    Folders train, dev (or val, valid) and test above those of the classes make official parts. PNG, JPEG, WebP and
    what else Pillow reads; 16 bits a channel become 8, what is transparent becomes white. A picture of another size
    is scaled until it covers the size, and its middle is cut out. Classes are those of the training part.

    Source: the layout of torchvision.datasets.ImageFolder.

    Settings:
        path: the folder
        labels: a CSV file with the columns file (relative to path) and label, in place of a folder for each class;
            a third column part says train, dev or test
        size: height and width; auto is the pictures' own where all are alike, else a square whose side is the
            median of their shorter sides, at most 224
        channels: 1 for grey, 3 for colours; auto is 3 where any picture has colours
    """

    def __init__(
        self,
        *,
        path: PathText,
        labels: PathText | None = None,
        size: Size | Auto = "auto",
        channels: Literal[1, 3] | Auto = "auto",
    ) -> None:
        self._path = Path(path)
        self._labels = Path(labels) if labels else None
        self._size = size
        self._channels = channels

    def listing(self, stored: Learned | None) -> Listing:
        listed = labelled_files(self._path, self._labels, SUFFIXES, "pictures")
        sizes = measured([one.file for one in listed])
        found = [labelled for labelled, size in zip(listed, sizes, strict=True) if isinstance(size, Image)]
        classes = classes_of(found, self._path) if stored is None else stored.targets
        assert isinstance(classes, Classes)
        size = common_size(sizes, self._size, self._channels) if stored is None else stored.inputs
        assert isinstance(size, Image)
        numbers = torch.tensor(numbers_of(found, classes))
        files, parts = [one.file for one in found], [one.part for one in found]
        broken = {str(one.file): size for one, size in zip(listed, sizes, strict=True) if isinstance(size, str)}
        return Listing("image_folder", files, numbers, classes, parts, size, broken)


def common_size(measured: Sequence[Image | str], size: list[int] | Auto, channels: int | Auto) -> Image:
    """One size for all pictures."""
    sizes = [one for one in measured if isinstance(one, Image)]
    depth = max(one.channels for one in sizes) if channels == "auto" else channels
    if size != "auto":
        return Image(depth, *size)
    if len({(one.height, one.width) for one in sizes}) == 1:
        return Image(depth, sizes[0].height, sizes[0].width)
    side = min(LARGEST, round(median(min(one.height, one.width) for one in sizes)))
    return Image(depth, side, side)


def measured(files: Sequence[Path]) -> list[Image | str]:
    """The size of each picture, or why it has none."""

    def one(path: Path) -> Image | str:
        try:
            return measure(path)
        except BrokenImageError as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, files))
