"""Picture files in which objects are to be found: scaled to one size as a whole, with the size that they have."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from nntrain.batch import Objects
from nntrain.data.class_folders import named
from nntrain.data.image_files import PIECE, SUFFIXES, decode_whole, decoded, measure
from nntrain.data.plain_files import Piece
from nntrain.specs import Image


def read(inputs: Image, paths: Sequence[str]) -> Iterator[Piece]:
    """The pictures in files and folders, scaled to the size of the images that a model was trained on."""
    files = (file for path in paths for file in named(Path(path), SUFFIXES, "pictures"))
    while some := list(islice(files, PIECE)):
        found = list(zip(some, decoded(some, inputs, decode_whole), strict=True))
        pictures = {file: picture for file, picture in found if isinstance(picture, Tensor)}
        sizes = [(size.height, size.width) for size in map(measure, pictures)]
        yield Piece(
            torch.stack(list(pictures.values())).to(torch.get_default_dtype()) / 255 if pictures else None,
            [{"file": str(file)} for file in pictures],
            [f"{file}: not a whole picture: {reason}" for file, reason in found if isinstance(reason, str)],
            without_objects(torch.tensor(sizes).view(-1, 2)),
        )


def without_objects(sizes: Tensor) -> Objects:
    """What is known of pictures of these sizes (n, 2) before anything is found in them."""
    none = torch.zeros(len(sizes), 0)
    return Objects(torch.zeros(len(sizes), 0, 4), none.long(), none.bool(), sizes)
