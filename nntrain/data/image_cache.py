"""Pictures decoded once: bytes in a file of the user's cache directory, found again by content and size."""

import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nntrain.data.image_files import THREADS, Decode, decode, decoded
from nntrain.data.places import cache_folder
from nntrain.specs import Image

VERSION = 1  # of the decoding: another one makes other bytes


@dataclass(frozen=True)
class Decoded:
    """Pictures (n, channels, height, width) as bytes on disk, mapped into memory, and what could not be decoded.

    A broken picture is black; `broken` says why, by its number.
    """

    pixels: Tensor
    broken: dict[int, str]


def decoded_once(files: Sequence[Path], size: Image, decode: Decode = decode) -> Decoded:
    """The decoded pictures, from the cache where they were decoded before; OSError where it cannot be written.

    Two runs that start together may both decode; each writes a file of its own, and the last rename counts.
    """
    folder = cache_folder() / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(files, size, decode)
    pixels, notes = folder / f"{key}.npy", folder / f"{key}.json"
    if not (pixels.is_file() and notes.is_file()):
        _write(files, size, decode, pixels, notes)
    broken = {int(number): reason for number, reason in json.loads(notes.read_text()).items()}
    # Copy on write: torch warns of memory that it must not write to.
    return Decoded(torch.from_numpy(np.load(pixels, mmap_mode="c", allow_pickle=False)), broken)


def _key(files: Sequence[Path], size: Image, decode: Decode) -> str:
    """A digest of all files' contents, in their order, and of what they are decoded to."""

    def digest(path: Path) -> bytes:
        try:
            return sha256(path.read_bytes()).digest()
        except OSError as error:
            return str(error).encode()

    with ThreadPoolExecutor(THREADS) as pool:
        parts = [repr((VERSION, size, _name(decode))).encode(), *pool.map(digest, files)]
    return sha256(b"".join(parts)).hexdigest()[:32]


def _name(decode: Decode) -> str:
    """What says how files are decoded, the same in every run: a function's name, or a component with its settings."""
    return getattr(decode, "__qualname__", repr(decode))


def _write(files: Sequence[Path], size: Image, decode: Decode, pixels: Path, notes: Path) -> None:
    """Both files, whole or not at all; the notes first, so that where the pixels are, they are too."""
    broken: dict[int, str] = {}
    descriptor, name = tempfile.mkstemp(dir=pixels.parent, suffix=".part.npy")
    os.close(descriptor)
    part = Path(name)
    try:
        shape = (len(files), *size.shape)
        mapped = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for number, picture in enumerate(decoded(files, size, decode)):
            if isinstance(picture, Tensor):
                mapped[number] = picture.numpy()
            else:
                broken[number] = picture
        mapped.flush()
        del mapped
        own = part.with_suffix(".json")
        own.write_text(json.dumps(broken))
        own.replace(notes)
        part.replace(pixels)
    finally:
        part.unlink(missing_ok=True)
