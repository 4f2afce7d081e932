"""What a pass forward leaves changed beside what it gives: buffers, random numbers, the model's mode."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from nntrain.device import Device, python_state, restore_python


class Snapshot:
    """A model's buffers and torch's generators as they are now, to go back to; without the buffers in `but`."""

    def __init__(self, model: nn.Module, device: Device, but: Collection[Tensor] = ()) -> None:
        left_out = {id(buffer) for buffer in but}
        self._device = device
        self._noise = device.noise()
        self._buffers = [
            (module, name, buffer, buffer.clone())
            for module in model.modules()
            for name, buffer in module.named_buffers(recurse=False)
            if id(buffer) not in left_out
        ]

    def restore(self) -> None:
        for module, name, buffer, before in self._buffers:
            setattr(module, name, buffer)  # a forward pass may have put another in its place
            buffer.data.copy_(before)  # .data: a graph that is kept must not take this for a change
        self._device.repeat(self._noise)

    def tensors(self) -> list[Tensor]:
        """All that it holds, for a comparison."""
        return [*self._noise, *self.buffers()]

    def buffers(self) -> list[Tensor]:
        return [before for *_, before in self._buffers]


@contextmanager
def unchanged(model: nn.Module, device: Device, but: Collection[Tensor] = ()) -> Iterator[None]:
    """Leaves buffers, mode and every generator, Python's and NumPy's too, as they are, but for the buffers in `but`."""
    before, python = Snapshot(model, device, but), python_state()
    modes = [(module, module.training) for module in model.modules()]  # a frozen part's is another than the whole's
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training
        before.restore()
        restore_python(python)
