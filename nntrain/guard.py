"""What keeps updates from a model whose loss or gradient is not finite, without waiting for the device."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Verdict(NamedTuple):
    """Whether an update is left out, 1 or 0, or made, 0 or 1: numbers of shape () on the device."""

    left_out: Tensor
    made: Tensor


class Guard(nn.Module):
    """Says of each update whether it is left out, so that no step waits for the device.

    An update whose objective, or whose gradient's norm, is not finite is left out; once more than `most` have been,
    every update is, so that the model stays as it was before the one that was too many.
    """

    failures: Tensor
    _most: Tensor
    _one: Tensor
    _sum: Tensor
    _is_bad: Tensor
    _are_too_many: Tensor
    _left_out: Tensor
    _made: Tensor

    def __init__(self, model: nn.Module, most: int, device: torch.device) -> None:
        super().__init__()
        # Buffers, as what is changed in a step that is captured must be; numbers for a step to write to cost less.
        for name in ("failures", "_is_bad", "_are_too_many", "_left_out", "_made"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float32, device=device))
        self.register_buffer("_sum", torch.zeros((), dtype=torch.get_default_dtype(), device=device))
        self.register_buffer("_most", torch.full_like(self.failures, most))
        self.register_buffer("_one", torch.ones_like(self.failures))
        self._statistics = list(model.buffers())
        self._kept = [torch.empty_like(buffer) for buffer in self._statistics]

    def keep(self) -> None:
        """Keeps what a forward pass may change, such as running statistics, as it is before an update."""
        if self._statistics:
            torch._foreach_copy_(self._kept, self._statistics)

    def restore(self) -> None:
        """Puts back what was kept."""
        if self._statistics:
            torch._foreach_copy_(self._statistics, self._kept)

    def forward(self, objective: Tensor, norm: Tensor) -> Verdict:
        """What is to become of an update; puts back what was kept where that is to be left out."""
        torch.add(objective, norm, out=self._sum)
        torch.sub(self._sum, self._sum, out=self._sum)  # 0, or nan, which is not equal to itself
        self.failures.add_(torch.ne(self._sum, self._sum, out=self._is_bad))
        torch.gt(self.failures, self._most, out=self._are_too_many)
        torch.maximum(self._is_bad, self._are_too_many, out=self._left_out)
        torch.sub(self._one, self._left_out, out=self._made)
        if self._statistics:
            put_back(self._statistics, self._kept, self._left_out)
        return Verdict(self._left_out, self._made)


def put_back(tensors: Sequence[Tensor], before: Sequence[Tensor], left_out: Tensor) -> None:
    """Undoes what an update did to tensors, where it is to be left out."""
    is_so = left_out > 0
    for tensor, kept in zip(tensors, before, strict=True):
        torch.where(is_so, kept, tensor, out=tensor)
