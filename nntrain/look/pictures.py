"""A grid of example pictures as a PNG file."""

from pathlib import Path

from nntrain.data import Dataset
from nntrain.durable import write_durably
from nntrain.errors import RunError, UserError
from nntrain.grid import grid
from nntrain.specs import Image

PICTURES = 64


def write_grid(data: Dataset, path: Path) -> None:
    """Writes some training images, drawn at random, side by side; UserError for inputs that are no images."""
    if not isinstance(data.inputs, Image):
        raise UserError(f"--pictures {path}: {data.inputs} are no images")
    if path.suffix.lower() != ".png":
        raise UserError(f"--pictures {path}: expected a file that ends in .png")
    if path.exists():
        raise UserError(f"--pictures {path}: the file is there already, and nothing is overwritten; give another name")
    examples = next(data.train.sample(PICTURES, 0).in_order())
    picture = grid(examples.first(PICTURES), data.targets)
    try:
        write_durably(path, picture.png)
    except OSError as error:
        raise RunError(f"{path} could not be written: {error.strerror or error}") from error
