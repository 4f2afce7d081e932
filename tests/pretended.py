"""A device that the CPU plays: which tensors would lie on it, and where a program would wait for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("cpu", 0)  # which torch takes for the CPU, and Python for another than torch.device("cpu")
HOST = (Tensor.cpu, Tensor.tolist, Tensor.numpy)  # which on a CPU are no operations
WAIT_INSIDE = ("aten::isin", "aten::bincount", "aten::_ctc_loss")  # their kernels for GPUs do
WHERE = Tensor.device.__get__  # type: ignore[attr-defined]


class Pretended(TorchFunctionMode):
    """Within it a tensor is on `DEVICE` once it was brought or made there, and so is what is computed of it.

    waits: the calls that would wait: for a number, for a tensor as long as values say, for a copy that is not
    asynchronous; and those that a device refuses, of tensors here and there
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.computes = False  # whether a function of tensors on the device is being called
        self._there: dict[int, Any] = {}  # storages by their addresses, kept so that none is used again
        self._operations = _Operations(self)

    def __enter__(self) -> "Pretended":
        self._operations.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._operations.__exit__(*error)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func == WHERE:
            return DEVICE if self.has(args[0]) else torch.device("cpu")
        if func in HOST:
            return self._fetched(func, args, named)
        if func is Tensor.to and (wanted := self._wanted(args[1:], named)) is not None:
            return self._brought(wanted, args, named)
        if named.get("device") == DEVICE:
            return self._made(func, args, named)
        self.computes = any(map(self.has, tensors_of((args, named))))
        try:
            return func(*args, **named)
        finally:
            self.computes = False

    def has(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._there

    def take(self, found: Any) -> None:
        """Has all tensors of a result on the device."""
        for tensor in tensors_of(found):
            storage = tensor.untyped_storage()
            self._there[storage._cdata] = storage

    def _made(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if func is torch.tensor:
            self.waits.append("tensor")
        found = func(*args, **named)
        self.take(found)
        return found

    def _fetched(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if not self.has(args[0]):
            return func(*args, **named)
        self.waits.append(func.__name__)
        return func(self._copy(args[0]), *args[1:], **named)

    def _wanted(self, args: Sequence[Any], named: Mapping[str, Any]) -> bool | None:
        """Whether a call of `to` asks for a tensor on the device; None where it leaves it where it is."""
        first = args[0] if args else named.get("device", named.get("other"))
        if isinstance(first, Tensor):
            return self.has(first)
        return torch.device(first) == DEVICE if isinstance(first, torch.device | str) else None

    def _brought(self, wanted: bool, args: Sequence[Any], named: Mapping[str, Any]) -> Tensor:
        tensor = args[0]
        found: Tensor = Tensor.to(*args, **named)
        if wanted == self.has(tensor):
            return found
        if not (wanted and named.get("non_blocking")):
            self.waits.append("to")
        found = self._copy(found)
        if wanted:
            self.take(found)
        return found

    def _copy(self, tensor: Tensor) -> Tensor:
        """On the host, with a storage of its own, as a copy from another device has."""
        found = torch.empty_like(tensor.detach()).copy_(tensor.detach())
        self._there.pop(found.untyped_storage()._cdata, None)
        return found


class _Operations(TorchDispatchMode):
    """Sees all that is computed."""

    def __init__(self, device: Pretended) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        given = tensors_of((args, named))
        is_there = [self._device.has(tensor) for tensor in given]  # before any is written to
        found = func(*args, **named)
        if any(is_there):
            is_mixed = any(t.dim() > 0 and not there for t, there in zip(given, is_there, strict=True))
            if _waits(func, args, named) or (is_mixed and not _is_asynchronous_copy(func, args)):
                self._device.waits.append(str(func))
        if any(is_there) or (not given and self._device.computes):
            self._device.take(found)
        return found


def _waits(func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> bool:
    if func is torch.ops.aten.index.Tensor:  # by numbers it has their shape, by a mask as many as are true
        return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
    if func is torch.ops.aten.repeat_interleave.Tensor and named.get("output_size") is not None:
        return False
    if func.name().partition(".")[0] in WAIT_INSIDE:
        return True
    return bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags))


def _is_asynchronous_copy(func: Any, args: Sequence[Any]) -> bool:
    return func is torch.ops.aten.copy_.default and args[2:3] == (True,)


def tensors_of(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
