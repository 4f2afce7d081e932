"""The photographs of the Pascal visual object classes challenge, with boxes around the objects."""

from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from nntrain.data import Learned
from nntrain.data.class_folders import Part
from nntrain.data.image_files import scaled
from nntrain.data.image_folder import Size
from nntrain.data.image_set import FromPictures, Listing
from nntrain.data.objects import Annotated, Found, as_tensors
from nntrain.data.torchvision_sets import found_by_torchvision
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Boxes, Image

NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
BYTES = {"2007": "460 MB", "2012": "2 GB"}


@data("voc", within=FromPictures)
class Voc:
    """Photographs with boxes around objects of 20 classes; the challenge's validation set is the dev set.

    In 2012 5,717 for training and 5,823 for validation, in 2007 2,501 and 2,510. What is marked as difficult need
    not be found. (The scores of papers are mostly of other divisions, and of 11 points in place of 101.)

    Source: Everingham et al., The Pascal visual object classes (VOC) challenge, 2010.

    Settings:
        root: the folder that holds VOCdevkit; left out, $NNTRAIN_DATA, else it is downloaded (2012 is 2 GB)
        year: which challenge's
        size: height and width that all photographs are scaled to
    """

    def __init__(
        self,
        *,
        root: PathText | None = None,
        year: Literal["2007", "2012"] = "2012",
        size: Size = [320, 320],  # noqa: B006
    ) -> None:
        self._root = root
        self._year = year
        self._size = size

    def listing(self, stored: Learned | None) -> Listing:
        found = found_by_torchvision("voc", BYTES[self._year], self._root, "", self._made)
        folder = found / "VOCdevkit" / f"VOC{self._year}"
        lists: dict[str, Part] = {"train": "train", "val": "dev"}
        pictures = [
            annotated(folder, name, part)
            for file, part in lists.items()
            for name in (folder / "ImageSets" / "Main" / f"{file}.txt").read_text().split()
        ]
        size = Image(3, *self._size)
        objects = as_tensors(pictures, size, with_masks=False)
        files, parts = [picture.file for picture in pictures], [picture.part for picture in pictures]
        return Listing("voc", files, objects, Boxes(NAMES, objects.labels.shape[1]), parts, size, decode=scaled)

    def _made(self, folder: Path, is_training: bool, download: bool) -> object:
        import torchvision.datasets

        return torchvision.datasets.VOCDetection(folder, self._year, "train" if is_training else "val", download)


def annotated(folder: Path, name: str, part: Part) -> Annotated:
    """A photograph as its XML file describes it; its pixels are counted from 1, and the last is in the box."""
    path = folder / "Annotations" / f"{name}.xml"
    try:
        root = ElementTree.parse(path).getroot()
        found = [_found(entry) for entry in root.iter("object")]
        height, width = (int(root.findtext(f"size/{side}", "")) for side in ("height", "width"))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path} is no annotation of voc: {error}") from None
    return Annotated(folder / "JPEGImages" / f"{name}.jpg", height, width, part, found)


def _found(entry: ElementTree.Element) -> Found:
    edges = {side: float(entry.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")}
    box = (edges["xmin"] - 1, edges["ymin"] - 1, edges["xmax"], edges["ymax"])
    return Found(NAMES.index(entry.findtext("name", "")), box, entry.findtext("difficult", "0") == "1")
