"""Boxes (..., 4): left, top, right and bottom edge, in pixels or in shares of a picture's width and height."""

import torch
from torch import Tensor


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """The intersection over union of boxes (..., 4), each with its partner: (...), 0 where both are empty."""
    first, last = torch.maximum(one, other)[..., :2], torch.minimum(one, other)[..., 2:]
    common = (last - first).clamp(min=0).prod(dim=-1)
    return common / (areas(one) + areas(other) - common).clamp(min=1e-12)


def areas(boxes: Tensor) -> Tensor:
    """Width times height (...)."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def around_middle(boxes: Tensor) -> Tensor:
    """Boxes that are given by their middle (x, y), width and height (..., 4)."""
    middle, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat((middle - size / 2, middle + size / 2), dim=-1)


def around(masks: Tensor) -> Tensor:
    """The smallest box around what is True (..., height, width), in pixels (..., 4).

    Pixel i reaches from i to i + 1; the box around nothing is 0.
    """
    columns, rows = masks.any(dim=-2), masks.any(dim=-1)
    ends = [_ends(line) for line in (columns, rows)]
    return torch.stack((ends[0][0], ends[1][0], ends[0][1], ends[1][1]), dim=-1).to(torch.get_default_dtype())


def filled(boxes: Tensor, height: int, width: int) -> Tensor:
    """Masks (..., height, width) that are True where a pixel's middle is in the box (..., 4), given in pixels."""
    rows, columns = (torch.arange(size, device=boxes.device) + 0.5 for size in (height, width))
    left, top, right, bottom = boxes.unsqueeze(-1).unbind(dim=-2)
    is_row, is_column = (rows > top) & (rows < bottom), (columns > left) & (columns < right)
    return is_row.unsqueeze(-1) & is_column.unsqueeze(-2)


def _ends(line: Tensor) -> tuple[Tensor, Tensor]:
    """Where what is True begins in a line (..., size), and where it has ended; 0 where nothing is."""
    first = line.int().argmax(dim=-1)
    last = line.shape[-1] - line.int().flip(-1).argmax(dim=-1)
    return first, torch.where(line.any(dim=-1), last, 0)
