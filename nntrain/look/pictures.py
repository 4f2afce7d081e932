"""A grid of example pictures as a PNG file."""

from pathlib import Path

from torch import Tensor

from nntrain.data import Dataset
from nntrain.errors import RunError, UserError
from nntrain.specs import Image

PICTURES = 64
PIXELS = 512  # about how wide the grid is


def write_grid(data: Dataset, path: Path) -> None:
    """Writes some training images, drawn at random, side by side; UserError for inputs that are no images."""
    if not isinstance(data.inputs, Image):
        raise UserError(f"--pictures {path}: {data.inputs} are no images")
    if path.suffix.lower() != ".png":
        raise UserError(f"--pictures {path}: expected a file that ends in .png")
    if path.exists():
        raise UserError(f"--pictures {path}: the file is there already, and nothing is overwritten; give another name")
    from torchvision.transforms.functional import to_pil_image
    from torchvision.utils import make_grid

    grid = make_grid(_enlarged(_examples(data), data.inputs), nrow=8, padding=2, pad_value=0.5)
    try:
        to_pil_image(grid).save(path)
    except OSError as error:
        raise RunError(f"{path} could not be written: {error.strerror or error}") from error


def _examples(data: Dataset) -> Tensor:
    """Images of one or three channels, the darkest pixel 0 and the brightest 1."""
    images = next(data.train.sample(PICTURES, 0).in_order()).inputs[:PICTURES]
    images = images[:, :3] if images.shape[1] >= 3 else images[:, :1]
    least, greatest = images.min(), images.max()
    return ((images - least) / (greatest - least).clamp(min=1e-12)).float().cpu()


def _enlarged(images: Tensor, size: Image) -> Tensor:
    """Every pixel as a square of several, so that small images can be seen."""
    factor = max(1, PIXELS // (8 * size.width))
    return images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
