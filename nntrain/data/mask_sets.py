"""Photographs with masks, in files as they come: the Oxford-IIIT pets, PASCAL VOC."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nntrain.data import Learned
from nntrain.data.class_folders import Part
from nntrain.data.image_files import scaled
from nntrain.data.image_folder import Size
from nntrain.data.image_set import FromPictures, Listing
from nntrain.data.mask_files import Codes
from nntrain.data.picture_sets import pets_folder, pets_parts
from nntrain.data.torchvision_sets import found_by_torchvision
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Image, Mask
from nntrain.storages import Pictures

SIZE = [128, 128]
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip


@data("oxford_pets_masks", within=FromPictures)
class OxfordPetsMasks:
    """7,349 photographs of cats and dogs, with what every pixel shows: background or pet, or the border between them.

    3,669 of them are the official test set.
    Source: O. M. Parkhi et al., Cats and dogs, 2012 (the trimaps).

    Settings:
        root: the folder that holds oxford-iiit-pet; left out, $NNTRAIN_DATA, else it is downloaded (800 MB)
        size: height and width that all photographs are scaled to
        border: whether the border, some pixels wide, is a class, or counts nothing
    """

    def __init__(
        self, *, root: PathText | None = None, size: Size = SIZE, border: Literal["class", "ignored"] = "class"
    ) -> None:
        self._root = root
        self._size = size
        self._codes = Codes((2, 1, 3), are_colours=False) if border == "class" else Codes((2, 1), False, ignored=3)

    def listing(self, stored: Learned | None) -> Listing:
        folder = pets_folder("oxford_pets_masks", self._root)
        rows = [(name, part) for name, _, part in pets_parts(folder)]
        names = ("background", "pet", "border")[: len(self._codes.of_classes)]
        images = [folder / "images" / f"{name}.jpg" for name, _ in rows]
        masks = [folder / "annotations" / "trimaps" / f"{name}.png" for name, _ in rows]
        parts = [part for _, part in rows]
        return _listing("oxford_pets_masks", images, masks, parts, names, self._size, self._codes)


@data("voc_masks", within=FromPictures)
class VocMasks:
    """2,913 photographs (of 2012) with what every pixel shows: background or one of 20 kinds of things.

    The official validation set is the dev set; the official test set has no public masks. Pixels along the edges of
    things count nothing.
    Source: M. Everingham et al., The PASCAL visual object classes challenge, 2010.

    Settings:
        root: the folder that holds VOCdevkit/VOC2012; left out, $NNTRAIN_DATA, else it is downloaded (2 GB)
        year: of the challenge; each has the photographs of those before it
        size: height and width that all photographs are scaled to
    """

    def __init__(
        self,
        *,
        root: PathText | None = None,
        year: Literal[2007, 2008, 2009, 2010, 2011, 2012] = 2012,
        size: Size = SIZE,
    ) -> None:
        self._root = root
        self._year = year
        self._size = size

    def listing(self, stored: Learned | None) -> Listing:
        place = found_by_torchvision("voc_masks", "2 GB", self._root, "", self._made)
        devkit = Path("TrainVal/VOCdevkit/VOC2011") if self._year == 2011 else Path(f"VOCdevkit/VOC{self._year}")
        lists: tuple[tuple[str, Part], ...] = (("train", "train"), ("val", "dev"))
        rows = [
            (name, part)
            for file, part in lists
            for name in (place / devkit / "ImageSets" / "Segmentation" / f"{file}.txt").read_text().split()
        ]
        images = [place / devkit / "JPEGImages" / f"{name}.jpg" for name, _ in rows]
        masks = [place / devkit / "SegmentationClass" / f"{name}.png" for name, _ in rows]
        codes = Codes(tuple(range(len(VOC))), are_colours=False, ignored=255)
        return _listing("voc_masks", images, masks, [part for _, part in rows], VOC, self._size, codes)

    def _made(self, folder: Path, is_training: bool, download: bool) -> object:
        import torchvision.datasets

        part = "train" if is_training else "val"
        return torchvision.datasets.VOCSegmentation(folder, str(self._year), part, download=download)


def _listing(
    name: str,
    images: Sequence[Path],
    masks: Sequence[Path],
    parts: Sequence[Part],
    names: Sequence[str],
    size: Size,
    codes: Codes,
) -> Listing:
    targets = Pictures(masks, Image(1, *size), codes)
    return Listing(name, images, targets, Mask(tuple(names)), parts, Image(3, *size), decode=scaled)
