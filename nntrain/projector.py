"""Points in space for TensorBoard's projector: files beside a run's curves."""

import math
from pathlib import Path

import torch
from torch import Tensor

from nntrain.durable import write_durably
from nntrain.grid import drawn
from nntrain.pictures import tiled, visible
from nntrain.samples import Projection

FOLDER = "projection"
CONFIG = """embeddings {{
  tensor_name: "code"
  tensor_path: "{folder}/points.tsv"
  metadata_path: "{folder}/labels.tsv"
{sprite}}}
"""
SPRITE = """  sprite {{
    image_path: "{folder}/pictures.png"
    single_image_dim: {width}
    single_image_dim: {height}
  }}
"""


def write(folder: Path, projection: Projection) -> None:
    """Writes points, labels and pictures, and the configuration by which TensorBoard finds them in `folder`."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    points = ["\t".join(f"{value:.6g}" for value in point) for point in projection.points.float().tolist()]
    labels = [" ".join(label.split()) or "-" for label in projection.labels]
    files = {"points.tsv": _lines(points), "labels.tsv": _lines(labels)}
    sprite = ""
    if projection.pictures is not None:
        files["pictures.png"] = drawn(_sprite(projection.pictures)).png
        height, width = projection.pictures.shape[2:]
        sprite = SPRITE.format(folder=FOLDER, width=width, height=height)
    for name, content in files.items():
        write_durably(folder / FOLDER / name, content)
    write_durably(folder / "projector_config.pbtxt", CONFIG.format(folder=FOLDER, sprite=sprite).encode())


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _sprite(pictures: Tensor) -> Tensor:
    """All pictures in a square, row by row, as the projector cuts them out again."""
    (images,) = visible(pictures)
    side = math.ceil(math.sqrt(len(images)))
    blank = images.new_zeros(side * side - len(images), *images.shape[1:])
    return tiled(torch.cat((images, blank)), side)
