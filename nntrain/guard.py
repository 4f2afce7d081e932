"""What keeps updates from a model whose loss or gradient is not finite, without waiting for the device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Guard:
    """Says of each update whether it is left out: as a number on the device, so that no step waits for it.

    An update whose objective, or whose gradient's norm, is not finite is left out; once more than `most` have been,
    every update is, so that the model stays as it was before the one that was too many.
    """

    def __init__(self, model: nn.Module, most: int, device: torch.device) -> None:
        self.failures = torch.zeros((), dtype=torch.float32, device=device)
        self._most = torch.full_like(self.failures, most)
        self._sum = torch.zeros((), dtype=torch.get_default_dtype(), device=device)
        self._is_bad, self._are_too_many, self._left_out = (
            torch.zeros((), dtype=torch.float32, device=device) for _ in range(3)
        )
        self._buffers = list(model.buffers())
        self._kept = [torch.empty_like(buffer) for buffer in self._buffers]

    def keep(self) -> None:
        """Keeps what a forward pass may change, such as running statistics, as it is before an update."""
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    def restore(self) -> None:
        """Puts back what was kept."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._kept)

    def __call__(self, objective: Tensor, norm: Tensor) -> Tensor:
        """1.0 where the update is to be left out, else 0.0; puts the buffers back where it is."""
        torch.add(objective, norm, out=self._sum)
        torch.sub(self._sum, self._sum, out=self._sum)  # 0, or nan, which is not equal to itself
        self.failures.add_(torch.ne(self._sum, self._sum, out=self._is_bad))
        torch.gt(self.failures, self._most, out=self._are_too_many)
        left_out = torch.maximum(self._is_bad, self._are_too_many, out=self._left_out)
        if self._buffers:
            put_back(self._buffers, self._kept, left_out)
        return left_out


def put_back(tensors: Sequence[Tensor], before: Sequence[Tensor], left_out: Tensor) -> None:
    """Undoes what an update did to tensors, where it is to be left out."""
    is_so = left_out > 0
    for tensor, kept in zip(tensors, before, strict=True):
        torch.where(is_so, kept, tensor, out=tensor)
