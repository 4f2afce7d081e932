"""What is drawn of a model, as numbers from 0 to 1."""

from typing import Any

import torch
from torch import Tensor

from nntrain.specs import Image

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


def tiled(images: Tensor, columns: int) -> Tensor:
    """Images (n, channels, height, width) edge to edge in rows of so many: (channels, height, width)."""
    missing = -len(images) % columns
    whole = torch.cat((images, images.new_full((missing, *images.shape[1:]), 0.5)))
    rows = whole.view(-1, columns, *whole.shape[1:])  # (rows, columns, channels, height, width)
    return rows.permute(2, 0, 3, 1, 4).flatten(1, 2).flatten(2, 3)


def scatter(*clouds: tuple[Tensor, Colour], side: int = 256) -> Tensor:
    """Points of the plane (n, 2), each cloud in a colour, in a picture that holds all of the first: (3, side, side)."""
    first = clouds[0][0].float().cpu()
    low, high = first.amin(dim=0), first.amax(dim=0)
    middle, reach = (low + high) / 2, 0.6 * (high - low).amax().clamp(min=1e-6)
    picture = torch.ones(3, side, side)
    for points, colour in clouds:
        places = ((points.float().cpu() - middle) / reach / 2 + 0.5) * (side - 1)
        inside = places[(places >= 0).all(dim=1) & (places <= side - 2).all(dim=1)].long()
        for right, up in ((0, 0), (0, 1), (1, 0), (1, 1)):  # a dot of two by two pixels
            picture[:, side - 1 - inside[:, 1] - up, inside[:, 0] + right] = torch.tensor(colour)[:, None]
    return picture
