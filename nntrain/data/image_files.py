"""Picture files as tensors: PNG, JPEG, WebP and what else Pillow reads, of any depth, grey, in colour or with alpha."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nntrain.data.class_folders import named
from nntrain.data.plain_files import Piece
from nntrain.specs import Image

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"))
Decode = Callable[[bytes, Image], Tensor]  # of a file's content: bytes (channels, height, width); BrokenImageError
PIECE = 256  # files that are decoded before their answers are given
THREADS = 4  # Pillow decodes outside of Python's lock


class BrokenImageError(Exception):
    """A file that is no whole picture."""


def measure(path: Path) -> Image:
    """The channels (1 or 3), height and width of a picture, from its header; BrokenImageError."""
    import PIL.Image

    try:
        with PIL.Image.open(path) as picture:
            # Of a PNG this would read the whole picture, and cameras write none.
            turned = picture.format != "PNG" and picture.getexif().get(0x0112, 1) >= 5  # lying on its side
            width, height = reversed(picture.size) if turned else picture.size
            return Image(1 if picture.mode in ("1", "L", "LA", "I", "I;16", "I;16B", "F") else 3, height, width)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise BrokenImageError(reason(error)) from None


def decode(content: bytes, size: Image) -> Tensor:
    """A picture as bytes (channels, height, width), scaled and cut to the size; BrokenImageError.

    The shorter side (relative to the size) is scaled to fit, and the middle is cut out. What is transparent becomes
    white; 16 bits become 8; a picture lying on its side, as its EXIF says, is set upright.
    """
    import PIL.ImageOps

    return _decoded(content, size, PIL.ImageOps.fit)


def scaled(content: bytes, size: Image) -> Tensor:
    """A picture like those of `decode`, but scaled to the size in both directions, so that the whole of it is there."""
    return _decoded(content, size, lambda picture, sides, method: picture.resize(sides, method))


def _decoded(content: bytes, size: Image, scale: Callable[..., Any]) -> Tensor:
    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(io.BytesIO(content)) as opened:
            picture = _eight_bits(PIL.ImageOps.exif_transpose(opened))
            picture = picture.convert("L" if size.channels == 1 else "RGB")
            if picture.size != (size.width, size.height):
                picture = scale(picture, (size.width, size.height), PIL.Image.Resampling.BILINEAR)
            pixels = np.array(picture)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise BrokenImageError(reason(error)) from None
    return torch.from_numpy(pixels.reshape(size.height, size.width, size.channels)).permute(2, 0, 1)


def _eight_bits(picture: Any) -> Any:
    """A picture of 8 bits a channel, without transparency."""
    import PIL.Image

    if picture.mode in ("I", "I;16", "I;16B"):
        return PIL.Image.fromarray((np.asarray(picture).clip(0, 65535) / 257).round().astype(np.uint8))
    if picture.mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", coloured.size, "white"), coloured)
    return picture


def decoded(paths: Sequence[Path], size: Image, decode: Decode = decode) -> Iterator[Tensor | str]:
    """Each file's picture, or why there is none, in order."""

    def one(path: Path) -> Tensor | str:
        try:
            return decode(path.read_bytes(), size)
        except OSError as error:
            return error.strerror or str(error)
        except BrokenImageError as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(one, paths)


def read(inputs: Image, paths: Sequence[str], decode: Decode = decode) -> Iterator[Piece]:
    """The pictures in files and folders, made as large as the images that a model was trained on."""
    files, empty = named(paths, SUFFIXES, "pictures")
    if empty:
        yield Piece(None, [], empty)
    rest = iter(files)
    while some := list(islice(rest, PIECE)):
        found = list(zip(some, decoded(some, inputs, decode), strict=True))
        pictures = [picture for _, picture in found if isinstance(picture, Tensor)]
        yield Piece(
            torch.stack(pictures).to(torch.get_default_dtype()) / 255 if pictures else None,
            [{"file": str(file)} for file, picture in found if isinstance(picture, Tensor)],
            [f"{file}: not a whole picture: {reason}" for file, reason in found if isinstance(reason, str)],
        )


def reason(error: Exception) -> str:
    """Why a file is no picture, in one line."""
    text = " ".join(str(error).split())
    return "no known format" if "cannot identify" in text else text
