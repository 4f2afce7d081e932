"""What a function of tensors does, written down while it does it."""

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

aten = torch.ops.aten
ALIASES = {aten.alias.default, aten.detach.default}
RESHAPES = {aten.view.default, aten.expand.default, aten._unsafe_view.default}
FILLS = {  # what they give depends on the shape of what they take alone
    *(aten.ones_like.default, aten.zeros_like.default, aten.full_like.default, aten.new_zeros.default),
    *(aten.new_ones.default, aten.zeros.default, aten.ones.default, aten.full.default, aten.scalar_tensor.default),
    *(aten.arange.default, aten.arange.start, aten.arange.start_step),
}
READINGS = {Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.__dlpack__}  # no operations: only their call is seen
EMPTY = {aten.empty_like.default, aten.new_empty.default, aten.empty.memory_format}


class UncapturedError(Exception):
    """What cannot be a flat list of operations."""


class NoReading(TorchFunctionMode):
    """Refuses to give values to Python: what it made of them would stay that of one step."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in READINGS:
            raise UncapturedError("the step reads the value of a tensor")
        return func(*args, **(kwargs or {}))


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A graph of the operations below autograd that are done within it, derivatives included.

    `kept` holds what nodes stand for that no operation makes: tensors from elsewhere, such as parameters and buffers,
    and views of them, which stay where they are; `fixed` says what is the same in every call. What make_fx does, which
    imports torch's compiler first: that takes longer than many a run. Of what is from elsewhere only `buffers` may be
    changed: nobody could undo what is done to anything else.
    """

    def __init__(self, inputs: Sequence[Tensor], buffers: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = Graph()
        self.kept: dict[Node, Tensor] = {}
        self._fixed: dict[Node, tuple[Tensor, list[Node]]] = {}  # and those that they are computed from
        self._nodes: Any = WeakTensorKeyDictionary()
        self._changed: set[int] = set()  # storages
        self.inputs = [self.graph.placeholder(f"input_{i}") for i in range(len(inputs))]
        self._nodes.update(zip(inputs, self.inputs, strict=True))
        self._buffers = set(map(_storage, buffers))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        _check(func, args)
        if any(self._is_another_s(tensor) for tensor in _written(func, args, kwargs)):
            raise UncapturedError("the step changes a tensor that is no buffer")
        found = func(*args, **kwargs)
        if any(isinstance(leaf, Tensor) for leaf in tree_leaves(found)) or func._schema.is_mutable:
            self._write(func, args, kwargs, found)
        return found

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, so as to tell it not to look in here

    def node_of(self, tensor: Tensor) -> Node:
        """What a tensor is in the graph: something kept, where no operation made it."""
        if tensor not in self._nodes:
            self._nodes[tensor] = self.keep(tensor.detach())
        node: Node = self._nodes[tensor]
        return node

    def keep(self, tensor: Tensor) -> Node:
        """A new argument of the graph, that stands for a tensor."""
        with self.graph.inserting_before(self.inputs[0] if self.inputs else None):
            node = self.graph.placeholder(f"kept_{len(self.kept)}")
        self.kept[node] = tensor
        return node

    def fixed(self) -> dict[Node, Tensor]:
        """What is the same in every call: made of nothing but numbers, and changed by no operation in place."""
        found: dict[Node, Tensor] = {}
        for node, (tensor, sources) in self._fixed.items():
            if _storage(tensor) not in self._changed and all(source in found for source in sources):
                found[node] = tensor
        return found

    def _is_another_s(self, tensor: Tensor) -> bool:
        node = self._nodes.get(tensor)
        return (node is None or node in self.kept) and _storage(tensor) not in self._buffers

    def _write(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], found: Any) -> None:
        first = self._nodes.get(args[0]) if args and isinstance(args[0], Tensor) else None
        if first is not None and _is_the_same(func, args[0], found, first):
            self._nodes[found] = first.args[0] if func is aten.t.default else first
            return
        is_number = func is aten.lift_fresh.default  # of Python's, now a tensor, which may be changed from here on
        if func.is_view and not is_number and isinstance(found, Tensor) and (first is None or first in self.kept):
            self._nodes[found] = self.keep(found.detach())
            return
        if is_number:
            func, args = aten.clone.default, (found.clone(),)
        node = self.graph.call_function(func, self._nodes_in(tuple(args)), self._nodes_in(dict(kwargs)))
        self._changed.update(_storage(tensor) for tensor in _written(func, args, kwargs))
        self._write_part(node, found)
        sources = [] if is_number else self._sources(func, node, found)
        if sources is not None:
            self._fixed[node] = (found.detach(), sources)

    def _write_part(self, node: Node, part: Any) -> None:
        if isinstance(part, Tensor):
            self._nodes[part] = node
        elif isinstance(part, list | tuple):
            for i, each in enumerate(part):
                self._write_part(self.graph.call_function(operator.getitem, (node, i)), each)

    def _sources(self, func: Any, node: Node, found: Any) -> list[Node] | None:
        """What a tensor is computed from that is the same in every call as long as these are; None where it is not."""
        if not isinstance(found, Tensor) or func._schema.is_mutable:
            return None
        if func in FILLS or (func in EMPTY and not found.numel()):
            return []
        sources = node.all_input_nodes
        is_drawn = torch.Tag.nondeterministic_seeded in func.tags
        return sources if sources and not is_drawn and all(source in self._fixed for source in sources) else None

    def _nodes_in(self, arguments: Any) -> Any:
        return tree_map(lambda leaf: self.node_of(leaf) if isinstance(leaf, Tensor) else _plain(leaf), arguments)


def _is_the_same(func: Any, source: Tensor, found: Any, node: Node) -> bool:
    """Whether an operation gives what was there before: the same memory with the same shape and strides."""
    if func is aten.t.default:
        return node.target is aten.t.default
    if func in RESHAPES:
        return bool(source.shape == found.shape and source.stride() == found.stride())
    return func in ALIASES


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operation changes in place."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else id(tensor)


def _plain(leaf: Any) -> Any:
    if isinstance(leaf, torch.Generator):
        raise UncapturedError("the step draws from a generator of its own")
    return leaf


def _check(func: Any, args: Sequence[Any]) -> None:
    """Refuses what depends on values: the graph would keep that of one step."""
    if torch.Tag.data_dependent_output in func.tags:
        raise UncapturedError("the step reads the value of a tensor")
    if func is aten.index.Tensor:
        is_dynamic = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
    else:
        is_dynamic = torch.Tag.dynamic_output_shape in func.tags
    if is_dynamic:
        raise UncapturedError(f"the shape of what {func} gives depends on values")
