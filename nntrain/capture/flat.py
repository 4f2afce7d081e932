"""A function of tensors as a flat list of operations, derivatives included, that runs without autograd."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

aten = torch.ops.aten
Function = Callable[[Sequence[Tensor]], list[Tensor]]

SAME = {aten.alias.default, aten.detach.default}
RESHAPES = {aten.view.default, aten.expand.default, aten._unsafe_view.default}
VIEWS = {aten.t.default, aten.transpose.int, aten.permute.default, aten.unsqueeze.default, aten.squeeze.dim} | RESHAPES
FILLS = {aten.ones_like.default: torch.ones, aten.zeros_like.default: torch.zeros}


def flat(function: Function, inputs: Sequence[Tensor]) -> tuple[Function, list[Tensor]]:
    """The operations of a call, and what the call gave; whatever tracing raises where it cannot be written down.

    Tensors that the function finds elsewhere, such as parameters and buffers, are used and changed where they are.
    Numbers that are no tensors, and the path that the call took, stay as they are in this call.
    """
    traced, given = written_down(function, inputs)
    return _program(traced), given


def written_down(function: Function, inputs: Sequence[Tensor]) -> tuple[GraphModule, list[Tensor]]:
    """The operations of a call as torch traces them, and what the call gave."""
    given: list[Tensor] = []

    def kept(*inputs: Tensor) -> list[Tensor]:
        given[:] = function(inputs)
        return given

    traced = make_fx(kept)(*inputs)
    for node in traced.graph.nodes:
        if node.op == "call_function":
            _check(node)
    return traced, given


class UncapturedError(Exception):
    """What cannot be a flat list of operations."""


def _program(traced: GraphModule) -> Function:
    """The traced operations without needless ones; what never changes is computed here, once."""
    graph = traced.graph
    constants = {n: getattr(traced, n.target).detach() for n in graph.nodes if n.op == "get_attr"}
    for node in list(graph.nodes):
        if node.op == "call_function":
            _simplify(graph, node, constants)
    _remove_unused(graph)
    names = _as_arguments(graph, constants)
    for node in graph.nodes:
        _call_directly(node)
    graph.lint()
    module = GraphModule(torch.nn.Module(), graph)
    run: Any = type(module).forward
    kept = [constants[node] for node in names]

    def call(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch._C._AutoDispatchBelowAutograd():
            return list(run(module, *kept, *inputs))

    return call


def _check(node: Node) -> None:
    """Refuses operations whose results have a shape that depends on values: the graph would keep that of one step."""
    target = node.target
    tags = target.tags if isinstance(target, torch._ops.OpOverload) else ()
    is_masked = target is aten.index.Tensor and any(_is_mask(i) for i in node.args[1] if i is not None)  # type: ignore[union-attr]
    if is_masked or (torch.Tag.dynamic_output_shape in tags and target is not aten.index.Tensor):
        raise UncapturedError(f"the shape of what {target} gives depends on values")


def _is_mask(node: Any) -> bool:
    return node.meta["val"].dtype in (torch.bool, torch.uint8)


def _simplify(graph: Graph, node: Node, constants: dict[Node, Tensor]) -> None:
    source = node.args[0] if node.args and isinstance(node.args[0], Node) else None
    if node.target in FILLS and _is_only_read(node):
        value = node.meta["val"]
        constants[node] = FILLS[node.target](value.shape, dtype=value.dtype, device=value.device)
    elif source is not None and (node.target in SAME or _keeps_its_shape(node, source)):
        node.replace_all_uses_with(source)
    elif source is not None and node.target is aten.t.default and source.target is aten.t.default:
        node.replace_all_uses_with(source.args[0])  # type: ignore[arg-type]
    elif source in constants and node.target in VIEWS:
        constants[node] = node.target(constants[source], *node.args[1:])


def _is_only_read(node: Node) -> bool:
    """Whether nothing changes a tensor in place; a view of it may be anything."""
    return not any(_is_mutable(user.target) or user.target in VIEWS for user in node.users)


def _keeps_its_shape(node: Node, source: Node) -> bool:
    """Whether a view is of the shape and the strides that were there before."""
    if node.target not in RESHAPES:
        return False
    before, after = source.meta.get("val"), node.meta.get("val")
    if before is None or after is None:
        return False
    return bool(before.shape == after.shape and before.stride() == after.stride())


def _remove_unused(graph: Graph) -> None:
    """Operations whose result nobody uses, but for those that change a tensor or draw random numbers."""
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and not node.users and not _has_effects(node):
            graph.erase_node(node)


def _has_effects(node: Node) -> bool:
    draws = isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags
    return draws or _is_mutable(node.target)


def _is_mutable(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _as_arguments(graph: Graph, constants: dict[Node, Tensor]) -> list[Node]:
    """Makes arguments of constants, which are found faster than attributes; returns them in order."""
    first = next(iter(graph.nodes))
    used = [node for node in graph.nodes if node in constants and node.users]
    for node in used:
        with graph.inserting_before(first):
            argument = graph.placeholder(f"kept_{node.name}")
        node.replace_all_uses_with(argument)
    for node in reversed([node for node in graph.nodes if node in constants]):
        if not node.users:
            graph.erase_node(node)
    return used


def _call_directly(node: Node) -> None:
    """Calls an operation by torch's own binding, which takes half the time, where that has one of these arguments."""
    target = node.target
    if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload) or node.kwargs:
        return
    name = target._schema.name.partition("::")[2]
    if target is aten.view.default:
        node.op, node.target = "call_method", "view"
    elif hasattr(torch._C._VariableFunctions, name):
        node.target = getattr(torch._C._VariableFunctions, name)
