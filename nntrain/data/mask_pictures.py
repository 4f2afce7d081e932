"""Picture files whose masks are to be found: scaled to one size as a whole, with the size that they have."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nntrain.data import image_files
from nntrain.data.plain_files import Piece
from nntrain.specs import Image


def read(inputs: Image, paths: Sequence[str]) -> Iterator[Piece]:
    """The pictures in files and folders; their sources say the height and the width of each."""
    for piece in image_files.read(inputs, paths, image_files.scaled):
        sizes = [image_files.measure(Path(source["file"])) for source in piece.sources]
        sides = [{"height": size.height, "width": size.width} for size in sizes]
        yield replace(piece, sources=[{**source, **its} for source, its in zip(piece.sources, sides, strict=True)])
