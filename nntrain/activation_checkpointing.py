"""Deep networks in less memory: what their blocks compute is not kept, but computed again on the way back."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import MethodType
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import _disable_current_modes, _get_current_dispatch_mode
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

from nntrain.batch import Batch
from nntrain.capture.recording import Recording, UncapturedError
from nntrain.device import Device
from nntrain.errors import UnfitError
from nntrain.out_of_memory import cut
from nntrain.regularizers import Regularizer
from nntrain.snapshot import unchanged
from nntrain.tasks import Task

LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
LEAST_BLOCKS = 2
LEAST_LAYERS = 4  # with weights, of a chain that is cut
TRIED = 2  # examples
MOST_KEPT = 0.95  # of what is kept without it, to be worth its time
Forward = Callable[..., Any]


def checkpoint_activations(
    model: nn.Module, task: Task, regularizers: Sequence[Regularizer], batch: Batch, device: Device
) -> None:
    """Lets every block keep its inputs alone; what is inside is computed a second time for the gradient.

    A block is an entry of a list of modules that has parts itself, such as a residual block or a layer of a
    transformer; a long chain of single layers is cut into about as many segments as each of them has layers.
    Gradients, noise and buffers stay the same, bit for bit. UnfitError where there are no blocks, or nothing is spared
    for this batch.
    Source: Chen, Xu, Zhang, Guestrin, Training deep nets with sublinear memory cost, 2016, arXiv:1604.06174.
    """
    if any(regularizer.changes_weights for regularizer in regularizers):
        raise UnfitError("what is computed again would lack the noise on the weights (regularizers); leave one out")
    found = list(_found(model))
    if len(found) < LEAST_BLOCKS and not any(forward is _in_segments for _, forward in found):
        raise UnfitError("the network has no row of blocks, whose activations could be computed again; leave this out")
    before = activation_bytes(model, task, batch, device)
    for module, forward in found:
        module.forward = MethodType(forward, module)  # a method, so that it stays with the module in a copy
    after = activation_bytes(model, task, batch, device)
    if after > MOST_KEPT * before:
        sizes = f"a batch's activations take {after / 2**20:.3g} MB, and {before / 2**20:.3g} MB without it"
        raise UnfitError(f"it spares nothing here: {sizes}; leave it out")


def activation_bytes(model: nn.Module, task: Task, batch: Batch, device: Device) -> int:
    """What is kept of a batch's forward pass for the gradient, without parameters; measured with a few examples."""
    some = cut(batch, max(1, batch.examples // TRIED))[0]  # all of them may take more than there is
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with unchanged(model, device), saved_tensors_hooks(note, lambda tensor: tensor), device.precision():
        model.train()
        values = [o.loss(o.outputs(model, some), some).over(o.counts(some)) for o in task.objectives]
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    del values  # up to here everything is there, so that no two things were in the same place
    kept = sum(size for place, size in sizes.items() if place not in own)
    return kept * batch.examples // some.examples


def _found(module: nn.Module, is_entry: bool = False) -> Iterator[tuple[nn.Module, Forward]]:
    """The blocks, outside of which there is none, and the chains that are cut, each with how it goes forward."""
    with_parts = [child for child in module.children() if _has_parts(child)]
    if is_entry and not isinstance(module, LISTS):
        yield module, _whole
    elif with_parts:
        for child in with_parts:
            yield from _found(child, isinstance(module, LISTS))
    elif _is_chain(module) and len(_pieces(module)) >= LEAST_LAYERS:
        yield module, _in_segments
    elif is_entry:
        yield module, _whole


def _has_parts(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


def _is_chain(module: nn.Module) -> TypeGuard[nn.Sequential]:
    return type(module).forward is nn.Sequential.forward


def _pieces(chain: nn.Sequential) -> list[list[nn.Module]]:
    """The layers with weights, each with what follows it, which may change its outputs in place."""
    pieces: list[list[nn.Module]] = [[]]
    for layer in chain:  # one that stands in several places, too
        if pieces[-1] and any(p.dim() > 1 for p in layer.parameters()):
            pieces.append([])
        pieces[-1].append(layer)
    return pieces


def _whole(block: nn.Module, *arguments: Any, **named: Any) -> Any:
    """The forward pass of a block."""
    return _computed_again(block, partial(type(block).forward, block), *arguments, **named)


def _in_segments(chain: nn.Sequential, x: Any) -> Any:
    """The forward pass of a chain: about sqrt(n) segments of sqrt(n) pieces."""
    pieces = _pieces(chain)
    size = round(math.sqrt(len(pieces)))
    for start in range(0, len(pieces), size):
        segment = nn.Sequential(*(layer for piece in pieces[start : start + size] for layer in piece))
        x = _computed_again(segment, segment, x)
    return x


def _computed_again(module: nn.Module, forward: Forward, *arguments: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*arguments, **named)
    arguments, named = tree_map(_itself, (arguments, named))  # lists anew: the caller may add to its own
    return checkpoint(_Passes(module, forward), *arguments, use_reentrant=False, **named)


class _Passes:
    """The forward pass of a block, and the same again, which finds and leaves buffers as the first one did."""

    def __init__(self, block: nn.Module, forward: Forward) -> None:
        self._block = block
        self._forward = forward
        self._before: list[tuple[Tensor, Tensor]] | None = None  # buffers, and what the first pass found in them

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._before is None:
            self._before = [(buffer, buffer.clone()) for buffer in self._block.buffers()]
            with _no_noise_captured():
                return self._forward(*arguments, **named)
        after = [(buffer, buffer.clone()) for buffer, _ in self._before]
        _put(self._before)
        try:
            return self._forward(*arguments, **named)
        finally:
            _put(after)


@contextmanager
def _no_noise_captured() -> Iterator[None]:
    """Where a step is being captured, refuses random numbers: the graph would draw others the second time."""
    if not isinstance(_get_current_dispatch_mode(), Recording):
        yield
        return
    before = torch.get_rng_state()
    yield
    with _disable_current_modes():
        is_drawn = not torch.equal(before, torch.get_rng_state())
    if is_drawn:
        raise UncapturedError("blocks that are computed again (checkpoint_activations) draw random numbers")


def _itself(value: Any) -> Any:
    return value


@torch.no_grad()
def _put(values: Iterable[tuple[Tensor, Tensor]]) -> None:
    for buffer, value in values:
        buffer.copy_(value)
