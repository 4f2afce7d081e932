"""A function of tensors as a flat list of operations, derivatives included, that runs without autograd."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from nntrain.capture.recording import NoReading, Recording, aten
from nntrain.capture.untouched import untouched

Function = Callable[[Sequence[Tensor]], list[Tensor]]


def flattened(function: Function, inputs: Sequence[Tensor], model: nn.Module) -> tuple[Function, list[Tensor]]:
    """The operations of a call, and what the call gave; UncapturedError where they depend on values.

    Tensors that the function finds elsewhere, such as parameters, are used where they are, and buffers changed there.
    Numbers that are no tensors, and the path that the call took, stay as they are in this call.
    """
    recording, found = recorded(function, inputs, model)
    return _program(recording), found


def recorded(function: Function, inputs: Sequence[Tensor], model: nn.Module) -> tuple[Recording, list[Tensor]]:
    """The operations of a call as they are, and what the call gave; UncapturedError where they depend on values."""
    with untouched(model), NoReading(), Recording(inputs, model.buffers()) as recording:
        found = function(inputs)
    recording.graph.output([recording.node_of(tensor) for tensor in found])
    return recording, found


def _program(recording: Recording) -> Function:
    """The operations without needless ones; what never changes is computed here, once."""
    graph = recording.graph
    _keep_what_is_fixed(recording)
    _remove_unused(recording)
    for node in graph.nodes:
        _call_directly(node)
    graph.lint()
    run: Any = type(GraphModule(torch.nn.Module(), graph)).forward
    kept = [recording.kept[node] for node in graph.find_nodes(op="placeholder") if node in recording.kept]

    def call(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch._C._AutoDispatchBelowAutograd():
            return list(run(None, *kept, *inputs))

    return call


def _keep_what_is_fixed(recording: Recording) -> None:
    """Makes arguments of what is the same in every call, where something else is made of it."""
    fixed = recording.fixed()
    for node, tensor in fixed.items():
        if any(user not in fixed for user in node.users):
            node.replace_all_uses_with(recording.keep(tensor))


def _remove_unused(recording: Recording) -> None:
    """What nobody uses, but for operations that change a tensor or draw random numbers, and the inputs."""
    for node in reversed(list(recording.graph.nodes)):
        is_needless = node.op == "call_function" and not _has_effects(node)
        if not node.users and (is_needless or node in recording.kept):
            recording.graph.erase_node(node)


def _has_effects(node: Node) -> bool:
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return False
    return target._schema.is_mutable or torch.Tag.nondeterministic_seeded in target.tags


def _call_directly(node: Node) -> None:
    """Calls an operation by torch's own binding, which takes half the time, where that has one of these arguments."""
    target = node.target
    if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload) or not node.kwargs.keys() <= {"out"}:
        return
    name = target._schema.name.partition("::")[2]
    if target is aten.view.default:  # torch has no function of this name, and its method is slow to take a list
        name = "reshape"
    if hasattr(torch._C._VariableFunctions, name):
        node.target = getattr(torch._C._VariableFunctions, name)
