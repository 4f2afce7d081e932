"""All parameters, or all gradients, as one vector."""

from collections.abc import Sequence

import torch
from torch import Tensor


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """One vector of all numbers."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def pieces(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """The vector in tensors of the given shapes, which share its memory."""
    parts = torch.split(vector, [tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def put(vector: Tensor, parameters: list[Tensor]) -> None:
    """Writes the vector into the parameters."""
    torch._foreach_copy_(parameters, pieces(vector, parameters))
