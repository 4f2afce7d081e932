"""What a picture shows, drawn over it: masks in colours, boxes as frames."""

from typing import Any

import torch
from torch import Tensor

from nntrain.outlines import outlined
from nntrain.specs import ClassAndBox, Located, Mask, Targets

OPAQUE = 0.55  # how much of a mask's colour is seen, the rest being the picture
RIGHT, FOUND = (0.1, 0.9, 0.1), (1.0, 0.2, 0.2)  # colours of frames


def palette(colours: int) -> Tensor:
    """Colours that are told apart well, the first one black: red, green and blue as bytes (colours, 3).

    The bits of a colour's number, three at a time, are the highest bits of red, green and blue, and so on.
    Source: the colours of the masks of Everingham et al., The PASCAL visual object classes challenge.
    """
    numbers = torch.arange(colours)[:, None]
    channels = torch.arange(3)
    bits = [((numbers >> (3 * i + channels)) & 1) << (7 - i) for i in range(8)]
    return torch.stack(bits).sum(dim=0).to(torch.uint8)


def laid_over(pictures: Tensor, masks: Tensor, classes: int) -> Tensor:
    """Pictures (n, 1 or 3, height, width) from 0 to 1 with the classes of pixels (n, height, width) in their colours.

    What is of the first class, black, or of none stays as it is.
    """
    colours = palette(classes).to(pictures) / 255
    painted = colours[masks.clamp(min=0)].movedim(-1, 1)
    return torch.where((masks > 0).unsqueeze(1), torch.lerp(pictures, painted, OPAQUE), pictures)


def framed(pictures: Tensor, boxes: Tensor, colour: tuple[float, float, float] = RIGHT) -> Tensor:
    """Pictures (n, 1 or 3, height, width) from 0 to 1, each with a frame along its box (n, 4) in pixels."""
    rows, columns = (torch.arange(size, device=pictures.device) for size in pictures.shape[-2:])
    left, top, right, bottom = boxes.round().unsqueeze(-1).unbind(dim=1)
    right, bottom = right - 1, bottom - 1  # the last pixels inside
    in_rows, in_columns = (rows >= top) & (rows <= bottom), (columns >= left) & (columns <= right)
    at_rows, at_columns = (rows == top) | (rows == bottom), (columns == left) | (columns == right)
    frame = (at_rows[:, :, None] & in_columns[:, None]) | (in_rows[:, :, None] & at_columns[:, None])
    paint = torch.tensor(colour).to(pictures)[:, None, None]
    return torch.where(frame[:, None], paint, pictures.expand(-1, 3, -1, -1))


def with_targets(pictures: Tensor, targets: Any, described: Targets) -> Tensor:
    """Pictures with the masks or boxes that they are to be known by; as they are for what has no place in them."""
    if isinstance(described, Mask):
        return laid_over(pictures, targets, len(described))
    if isinstance(described, ClassAndBox):
        return framed(pictures, described.by_name(targets)["box"])
    if isinstance(described, Located):
        return outlined(pictures, targets, targets.are_there, described.names)
    return pictures
