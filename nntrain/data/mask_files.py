"""Masks in files: pictures whose numbers, palette entries or colours stand for classes."""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nntrain.data.image_files import THREADS, BrokenImageError, reason
from nntrain.specs import Image

SUFFIXES = frozenset((".png", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"))  # which lose nothing
UNCOUNTED = 255  # in a decoded mask: a pixel that counts nothing
MOST = 255  # classes
COLOURED = frozenset(("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"))


class Head(NamedTuple):
    """What a mask's header says."""

    height: int
    width: int
    is_coloured: bool


@dataclass(frozen=True)
class Codes:
    """What stands for the classes in masks: for each a number, or a colour as 65536 red + 256 green + blue."""

    of_classes: tuple[int, ...]
    are_colours: bool
    ignored: int | None = None

    @classmethod
    def recalled(cls, facts: Mapping[str, Any]) -> "Codes":
        """Those that a checkpoint holds as JSON."""
        return cls(tuple(facts["of_classes"]), facts["are_colours"], facts["ignored"])

    def __call__(self, content: bytes, size: Image) -> Tensor:
        """A mask as bytes (1, height, width), the numbers of classes and UNCOUNTED; BrokenImageError.

        It is scaled to the size, each pixel being one of the old ones.
        """
        found = _codes(content, self.are_colours, size)
        known = np.array([*self.of_classes, *(() if self.ignored is None else (self.ignored,))])
        order = known.argsort()
        places = order[np.searchsorted(known, found, sorter=order).clip(max=len(known) - 1)]
        if not (known[places] == found).all():
            strange = int(found[known[places] != found][0])
            raise BrokenImageError(f"holds {spoken(strange, self.are_colours)}, which stands for none of the classes")
        numbers = np.where(places < len(self.of_classes), places, UNCOUNTED).astype(np.uint8)
        return torch.from_numpy(numbers).unsqueeze(0)


def head(path: Path) -> Head:
    """The size and kind of a mask; BrokenImageError."""
    import PIL.Image

    try:
        with PIL.Image.open(path) as picture:
            width, height = picture.size
            return Head(height, width, picture.mode in COLOURED)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise BrokenImageError(reason(error)) from None


def held(paths: Sequence[Path], are_colours: bool) -> list[set[int]]:
    """The codes that each mask holds; none of one that cannot be read."""

    def one(path: Path) -> set[int]:
        try:
            return set(np.unique(_codes(path.read_bytes(), are_colours)).tolist())
        except (OSError, BrokenImageError):  # which is said when it is decoded
            return set()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, paths))


def packed(colour: Sequence[int]) -> int:
    """The number that stands for a colour."""
    red, green, blue = colour
    return (red << 16) + (green << 8) + blue


def spoken(code: int, is_colour: bool) -> str:
    """A code as a user would write it."""
    return f"the colour [{code >> 16}, {code >> 8 & 255}, {code & 255}]" if is_colour else f"the number {code}"


def _codes(content: bytes, are_colours: bool, size: Image | None = None) -> np.ndarray[Any, Any]:
    """The code of each pixel (height, width), scaled to a size where there is one."""
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert("RGB") if are_colours else _numbers(opened)
            if size is not None and picture.size != (size.width, size.height):
                picture = picture.resize((size.width, size.height), PIL.Image.Resampling.NEAREST)
            pixels = np.array(picture).astype(np.int64)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise BrokenImageError(reason(error)) from None
    return pixels @ np.array([1 << 16, 1 << 8, 1]) if are_colours else pixels


def _numbers(picture: Any) -> Any:
    """A picture of one number a pixel: of a palette the entry's, else the grey."""
    import PIL.Image

    if picture.mode == "1":
        return PIL.Image.fromarray(np.array(picture).astype(np.uint8))
    if picture.mode.startswith("I"):
        return PIL.Image.fromarray(np.array(picture).astype(np.int32))
    return picture if picture.mode in ("L", "P") else picture.convert("L")
