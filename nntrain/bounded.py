"""Bounds on what may be allocated, for networks that a file of unknown origin describes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nntrain.errors import UserError

FACTORIES = {"empty", "empty_strided", "new_empty", "zeros", "ones", "full", "rand", "randn", "arange", "eye"}
SPARE_BYTES = 64 << 20
SPARE_TENSORS = 1000
TIMES = 4  # the stored tensors: a network is first made with random weights, and takes some tables besides


class Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it no more is allocated than a network needs whose stored weights are these; UserError instead."""

    def __init__(self, stored: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bytes = SPARE_BYTES + TIMES * sum(tensor.numel() * 8 for tensor in stored.values())
        self._tensors = SPARE_TENSORS + TIMES * 10 * len(stored)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch's compiler is imported here, which takes longer than measuring a small model."""
        return False

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        if function._schema.name.partition("::")[2] in FACTORIES:
            self._bytes -= _bytes(function, arguments)
            self._tensors -= 1
            if self._bytes < 0 or self._tensors < 0:
                raise UserError("its config describes a network that is far larger than the weights it holds")
        call: Callable[..., Any] = function
        return call(*arguments, **(named or {}))


def _bytes(function: Any, arguments: Sequence[Any]) -> int:
    """About what a factory is to allocate: eight bytes for each number."""
    sizes = [a for a in arguments if isinstance(a, list | tuple)]
    if sizes:
        return 8 * math.prod(sizes[0])
    return 8 * int(max((a for a in arguments if isinstance(a, int | float)), default=0))
