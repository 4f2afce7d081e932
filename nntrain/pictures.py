"""Small images made one picture: side by side, with a line of words below each."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.specs import Image

SIDE = 64  # pixels that an image is at least wide
COLUMNS = 8
LINE = 12  # pixels, for words
GOOD, BAD = (0.2, 0.6, 0.2), (0.85, 0.15, 0.15)
Colour = tuple[float, float, float]


def images_of(inputs: Tensor, spec: Any) -> Tensor | None:
    """Inputs that are images, grey or in colour, as pictures (n, 1 or 3, height, width); None for what is none."""
    if not isinstance(spec, Image):
        return None
    pixels = inputs.reshape(-1, *spec.shape).float()
    return pixels[:, :3] if spec.channels >= 3 else pixels[:, :1]


def visible(images: Tensor, *others: Tensor) -> list[Tensor]:
    """Images in the range from 0 to 1, the first ones' darkest pixel 0 and their brightest 1; others on their scale."""
    low, high = images.aminmax()
    return [((part - low) / (high - low).clamp(min=1e-12)).clamp(0, 1) for part in (images, *others)]


def tiled(images: Tensor, columns: int = COLUMNS) -> Tensor:
    """Images (n, channels, height, width) from 0 to 1 in rows of so many: (channels, height, width)."""
    missing = -len(images) % columns
    whole = torch.cat((images, images.new_full((missing, *images.shape[1:]), 0.5)))
    rows = whole.view(-1, columns, *whole.shape[1:])  # (rows, columns, channels, height, width)
    return rows.permute(2, 0, 3, 1, 4).flatten(1, 2).flatten(2, 3)


def grid(images: Tensor, columns: int = COLUMNS) -> Tensor:
    """As `tiled`, enlarged and with lines between the images."""
    return tiled(F.pad(_enlarged(images), (1, 1, 1, 1), value=0.5), columns)


def captioned(images: Tensor, words: Sequence[str], colours: Sequence[Colour], columns: int = COLUMNS) -> Tensor:
    """As `grid`, in colour, with words below each image."""
    large = _enlarged(images).expand(-1, 3, -1, -1)
    width = large.shape[3]
    lines = torch.stack([_line(text, width, colour) for text, colour in zip(words, colours, strict=True)])
    return tiled(F.pad(torch.cat((large, lines.to(large)), dim=2), (1, 1, 1, 1), value=0.5), columns)


def scatter(*clouds: tuple[Tensor, Colour], side: int = 256) -> Tensor:
    """Points of the plane (n, 2), each cloud in a colour, in a picture that holds all of the first: (3, side, side)."""
    first = clouds[0][0].float()
    low, high = first.amin(dim=0), first.amax(dim=0)
    middle, reach = (low + high) / 2, 0.6 * (high - low).amax().clamp(min=1e-6)
    picture = torch.ones(3, side, side)
    for points, colour in clouds:
        places = ((points.float().cpu() - middle.cpu()) / reach.cpu() / 2 + 0.5) * (side - 1)
        inside = places[(places >= 0).all(dim=1) & (places <= side - 2).all(dim=1)].long()
        for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
            picture[:, side - 1 - inside[:, 1] - down, inside[:, 0] + right] = torch.tensor(colour)[:, None]
    return picture


def _enlarged(images: Tensor) -> Tensor:
    """Every pixel as a square of several, so that small images can be seen."""
    factor = max(1, -(-SIDE // max(images.shape[2:])))
    return images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def _line(text: str, width: int, colour: Colour) -> Tensor:
    """Words on a white line (3, LINE, width)."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    drawn = Pictures.new("RGB", (width, LINE), "white")
    ImageDraw.Draw(drawn).text((1, 0), text, fill=tuple(round(255 * part) for part in colour))
    return torch.from_numpy(np.array(drawn)).permute(2, 0, 1).float() / 255


def png(pixels: Tensor) -> bytes:
    """A picture (1 or 3, height, width) from 0 to 1 as a PNG file."""
    from PIL import Image as Pictures

    levels = (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    shown = levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)
    file = BytesIO()
    Pictures.fromarray(np.ascontiguousarray(shown)).save(file, "PNG", compress_level=1)
    return file.getvalue()
