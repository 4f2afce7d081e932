"""Pictures and their masks, found by what they are called, and measured."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nntrain.data.class_folders import PARTS, Part, find
from nntrain.data.image_files import SUFFIXES, THREADS, BrokenImageError
from nntrain.data.image_folder import measured
from nntrain.data.mask_files import SUFFIXES as MASK_SUFFIXES
from nntrain.data.mask_files import Head, head
from nntrain.errors import UnfitError
from nntrain.specs import Image

NAMED = 3  # files that are named in a message


@dataclass(frozen=True)
class Names:
    """What folders of pictures and of masks are called, and what a mask's name has after its picture's."""

    images: str
    masks: str
    ending: str


@dataclass(frozen=True)
class Pair:
    """A picture, its mask, and the part that they belong to."""

    picture: Path
    mask: Path
    part: Part


@dataclass(frozen=True)
class Measured:
    """A picture and its mask, and what their headers say."""

    pair: Pair
    size: Image
    head: Head


def pairs(path: Path, names: Names) -> Iterator[Pair]:
    """Each picture with its mask; UnfitError where one lacks the other, or there are none."""
    for folder, part in _parts(path, names):
        pictures = _by_name(folder / names.images, SUFFIXES, "", "pictures")
        masks = _by_name(folder / names.masks, MASK_SUFFIXES, names.ending, "masks")
        _refuse_alone(pictures, masks, "mask", folder / names.masks)
        _refuse_alone(masks, pictures, "picture", folder / names.images)
        yield from (Pair(picture, masks[name], part) for name, picture in pictures.items())


def readable(found: Sequence[Pair]) -> tuple[list[Measured], dict[str, str]]:
    """The pairs whose headers can be read, and why others cannot; UnfitError for none, or one of different sizes."""
    with ThreadPoolExecutor(THREADS) as pool:
        heads = list(pool.map(_head, [pair.mask for pair in found]))
    whole: list[Measured] = []
    broken: dict[str, str] = {}
    for pair, size, mask in zip(found, measured([pair.picture for pair in found]), heads, strict=True):
        if isinstance(size, str):
            broken[str(pair.picture)] = size
        elif isinstance(mask, str):
            broken[str(pair.mask)] = mask
        elif (size.height, size.width) != (mask.height, mask.width):
            sides = f"{mask.width}x{mask.height} pixels, and {pair.picture} has {size.width}x{size.height}"
            raise UnfitError(f"{pair.mask} has {sides}; a mask is to be as large as its picture", "path")
        else:
            whole.append(Measured(pair, size, mask))
    if not whole:
        file, why = next(iter(broken.items()))
        raise UnfitError(f"there is no picture with a mask that can be read; {file}: {why}", "path")
    return whole, broken


def _parts(path: Path, names: Names) -> list[tuple[Path, Part]]:
    """The folders that hold pictures and masks, each with its part."""
    if not path.is_dir():
        raise UnfitError(f"there is no folder {path}", "path")
    if (path / names.images).is_dir():
        return [(path, "train")]
    below = [entry for entry in sorted(path.iterdir()) if (entry / names.images).is_dir()]
    parts = [(folder, PARTS[folder.name.lower()]) for folder in below if folder.name.lower() in PARTS]
    if "train" not in [part for _, part in parts]:
        both = f"{names.images} and {names.masks}"
        raise UnfitError(f"{path} holds no folders {both}, nor a folder train with these", "path")
    return parts


def _by_name(folder: Path, suffixes: Collection[str], ending: str, kind: str) -> dict[str, Path]:
    """The files below a folder, by what stands before the ending of their names; UnfitError for two of one name."""
    if not folder.is_dir():
        raise UnfitError(f"there is no folder {folder}", "path")
    found: dict[str, Path] = {}
    for path in find(folder, suffixes):
        name = str(path.relative_to(folder).with_suffix(""))
        if not name.endswith(ending):
            raise UnfitError(f"the name of {path} does not end in {ending}", "ending")
        name = name.removesuffix(ending)
        if name in found:
            raise UnfitError(f"{found[name]} and {path} are called alike; keep one of them", "path")
        found[name] = path
    if not found:
        raise UnfitError(f"{folder} holds no {kind} ({', '.join(sorted(suffixes))})", "path")
    return found


def _refuse_alone(ones: dict[str, Path], others: dict[str, Path], kind: str, where: Path) -> None:
    alone = [str(path) for name, path in ones.items() if name not in others]
    if alone:
        more = f" and {len(alone) - NAMED} more" if len(alone) > NAMED else ""
        have = "has" if len(alone) == 1 else "have"
        raise UnfitError(f"{', '.join(alone[:NAMED])}{more} {have} no {kind} that is called alike in {where}", "path")


def _head(path: Path) -> Head | str:
    try:
        return head(path)
    except BrokenImageError as error:
        return str(error)
