"""The arithmetic of windows that slide over an axis: how many positions a convolution or a pooling has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.settings import Count

Size = TypeVar("Size", int, Tensor)


@dataclass(frozen=True)
class Window:
    """A window of `kernel` values, `dilation` apart, that moves by `stride` over an axis padded at both ends."""

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """From the first to the last value that the window sees."""
        return self.dilation * (self.kernel - 1) + 1

    def positions(self, size: Size) -> Size:
        """Positions on an axis of this size: floor((size + 2 padding - extent) / stride) + 1; below 1 there is none."""
        return (size + 2 * self.padding - self.extent) // self.stride + 1

    def needs(self, positions: int) -> int:
        """The smallest size, of at least 1, with so many positions."""
        return max(1, (positions - 1) * self.stride + self.extent - 2 * self.padding)


def after(windows: Iterable[Window], size: int) -> int:
    """The size that windows, one after the other, make of a size."""
    for window in windows:
        size = window.positions(size)
    return size


def first_empty(windows: Mapping[str, Window], size: int) -> str | None:
    """The name of the first window without a position, where there is one."""
    for name, window in windows.items():
        size = window.positions(size)
        if size < 1:
            return name
    return None


def smallest(windows: Iterable[Window]) -> int:
    """The smallest size that leaves a position after all windows."""
    size = 1
    for window in reversed(list(windows)):
        size = window.needs(size)
    return size


PerAxis = Count | list[Count]


def per_axis(value: int | list[int], axes: int, setting: str) -> list[int]:
    """One number for each axis, where one may be written for all."""
    if isinstance(value, int):
        return [value] * axes
    if len(value) != axes:
        count = f"{len(value)} number{'s' if len(value) != 1 else ''}"
        raise UnfitError(f"expected one number, or {axes}, one for each axis of the maps; found {count}", setting)
    return value


def slide(windows: Iterable[Window], sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of the maps that windows, one for each axis, make; UnfitError where no window fits."""
    windows = tuple(windows)
    after = tuple(window.positions(size) for window, size in zip(windows, sizes, strict=True))
    if min(after) < 1:
        extents = by(window.extent for window in windows)
        raise UnfitError(
            f"a window of {extents} does not fit on the maps of {by(sizes)} that are left here; "
            "take a smaller one, leave out a pooling before it, or take larger inputs",
            "kernel",
        )
    return after


def by(sizes: Iterable[int]) -> str:
    """Sizes in words: 28x28."""
    return "x".join(map(str, sizes))
