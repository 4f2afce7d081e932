"""Large photographs with classes, in files as they come: ImageNet, the Oxford-IIIT pets."""

from pathlib import Path

import torch

from nntrain.data import Learned
from nntrain.data.class_folders import Part
from nntrain.data.image_folder import ImageFolder, Size
from nntrain.data.image_set import FromPictures, Listing
from nntrain.data.places import cache_folder, needed_from_elsewhere, roots
from nntrain.data.torchvision_sets import found_by_torchvision
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Image

SIZE = [224, 224]


@data("imagenet", within=FromPictures)
class ImageNet:
    """1.28 million photographs of 1,000 classes, and 50,000 as dev set, in the folders train and val.

    Source: O. Russakovsky et al., ImageNet large scale visual recognition challenge, 2015, arXiv:1409.0575.

    Settings:
        root: the folder that holds imagenet/train/n01440764 and so on; left out, $NNTRAIN_DATA, else the user's
            cache directory (image-net.org gives the files to those who register)
        size: height and width
    """

    def __init__(self, *, root: PathText | None = None, size: Size = SIZE) -> None:
        self._root = root
        self._size = size

    def listing(self, stored: Learned | None) -> Listing:
        for place in roots(self._root):
            if (place / "imagenet" / "train").is_dir():
                return ImageFolder(path=str(place / "imagenet"), size=self._size, channels=3).listing(stored)
        if self._root is not None:
            raise UnfitError(f"{self._root} holds no imagenet/train", "root")
        needed_from_elsewhere("imagenet")
        raise UserError(
            "imagenet is not on this machine, and image-net.org gives it only to those who register; put its folders "
            f"train and val into {cache_folder() / 'data' / 'imagenet'}, or set data.root or NNTRAIN_DATA"
        )


@data("oxford_pets", within=FromPictures)
class OxfordPets:
    """7,349 photographs of cats and dogs of 37 breeds; 3,669 are the official test set.

    Source: O. M. Parkhi et al., Cats and dogs, 2012.

    Settings:
        root: the folder that holds oxford-iiit-pet; left out, $NNTRAIN_DATA, else it is downloaded (800 MB)
        size: height and width
    """

    def __init__(self, *, root: PathText | None = None, size: Size = SIZE) -> None:
        self._root = root
        self._size = size

    def listing(self, stored: Learned | None) -> Listing:
        folder = pets_folder("oxford_pets", self._root)
        rows = pets_parts(folder)
        breeds = {number: name.rpartition("_")[0].replace("_", " ") for name, number, _ in rows}
        return Listing(
            "oxford_pets",
            [folder / "images" / f"{name}.jpg" for name, _, _ in rows],
            torch.tensor([number for _, number, _ in rows]),
            Classes(tuple(breeds[number] for number in sorted(breeds))),
            [part for _, _, part in rows],
            Image(3, *self._size),
        )


def pets_folder(name: str, root: str | None) -> Path:
    """Where the photographs and what is known of them lie; downloaded where they are nowhere."""
    return found_by_torchvision(name, "800 MB", root, "", _made) / "oxford-iiit-pet"


def pets_parts(folder: Path) -> list[tuple[str, int, Part]]:
    """The name of each photograph, its breed's number and its part."""
    lists: tuple[tuple[str, Part], ...] = (("trainval", "train"), ("test", "test"))
    rows: list[tuple[str, int, Part]] = []
    for file, part in lists:
        for line in (folder / "annotations" / f"{file}.txt").read_text().splitlines():
            name, number, *_ = line.split()
            rows.append((name, int(number) - 1, part))
    return rows


def _made(folder: Path, is_training: bool, download: bool) -> object:
    import torchvision.datasets

    return torchvision.datasets.OxfordIIITPet(folder, "trainval" if is_training else "test", download=download)
