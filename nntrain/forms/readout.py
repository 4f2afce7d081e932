"""One vector of features for a whole sequence."""

import torch
from torch import Tensor


def mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of features (batch, time, width) over the positions that are no padding."""
    if mask is None:
        return x.mean(dim=1)
    return (x * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def last(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The features (batch, time, width) of each sequence's last position."""
    return x[:, -1] if lengths is None else x[torch.arange(len(x), device=x.device), lengths - 1]
