"""Picture files in which objects are to be found: scaled to one size as a whole, with the size that they have."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nntrain.batch import Objects
from nntrain.data import image_files
from nntrain.data.plain_files import Piece
from nntrain.specs import Image


def read(inputs: Image, paths: Sequence[str]) -> Iterator[Piece]:
    """The pictures in files and folders, scaled to the size of the images that a model was trained on."""
    for piece in image_files.read(inputs, paths, image_files.scaled):
        sizes = [image_files.measure(Path(source["file"])) for source in piece.sources]
        sides = torch.tensor([(size.height, size.width) for size in sizes]).view(-1, 2)
        yield replace(piece, targets=without_objects(sides))


def without_objects(sizes: Tensor) -> Objects:
    """What is known of pictures of these sizes (n, 2) before anything is found in them."""
    none = torch.zeros(len(sizes), 0)
    return Objects(torch.zeros(len(sizes), 0, 4), none.long(), none.bool(), sizes)
