"""Nodes of one graph, which every batch holds whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from nntrain import specs
from nntrain.batch import Batch, GraphNodes, each
from nntrain.data import Given, Learned, check_alike
from nntrain.data.plain_files import Piece
from nntrain.data.split import sampled
from nntrain.errors import UserError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.settings import Count
from nntrain.sparse import Sparse


@dataclass(frozen=True)
class LabelledGraph:
    """A graph as it comes: features (nodes, features), edges (2, edges), a class for each node (nodes,).

    `parts` are the numbers of the nodes of the training, dev and test set; `tensors` and `facts` are what a checkpoint
    is to know beside.
    """

    name: str
    features: Tensor | Sparse
    edges: Tensor
    labels: Tensor
    classes: specs.Classes
    parts: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> specs.Nodes:
        matrix = self.features
        return specs.Nodes(len(matrix.column_starts) - 1 if isinstance(matrix, Sparse) else matrix.shape[1])


class NodeSplit:
    """Some nodes as examples, on the device."""

    def __init__(self, graph: GraphNodes, targets: Tensor) -> None:
        self.graph = graph
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self._batch(numbers) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        yield Batch(self.graph, self.targets)

    def sample(self, examples: int, seed: int) -> "NodeSplit":
        if len(self) <= examples:
            return self
        batch = self._batch(sampled(len(self), examples, seed))
        return NodeSplit(batch.inputs, batch.targets)

    def _batch(self, numbers: Tensor) -> Batch:
        there = numbers.to(self.targets.device, non_blocking=True)
        chosen = self.graph.chosen.index_select(0, there)
        return Batch(self.graph._replace(chosen=chosen), self.targets.index_select(0, there))


class OnNodes:
    """The labelled nodes of one graph, divided as the set comes.

    Settings:
        batch_size: how many labelled nodes a batch has; all for the whole training set (a network for graphs
            computes all nodes for every batch)
    """

    def __init__(
        self,
        source: Callable[[], LabelledGraph],
        device: torch.device,
        stored: Learned | None,
        own: Callable[[Sequence[str], Learned], Iterator[Piece]] | None = None,
        *,
        batch_size: Count | Literal["all"] = "all",
    ) -> None:
        self._source = source
        self._own = own
        self._device = device
        self._batch_size = batch_size
        self._stored = stored
        self.learned = self._learn() if stored is None else stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets

    @property
    def train(self) -> NodeSplit:
        return self._splits["train"]

    @property
    def batch_size(self) -> int:
        return len(self.train) if self._batch_size == "all" else self._batch_size

    @property
    def sampler(self) -> Sampler:
        return Shuffled(TrainingSet(len(self.train), self.batch_size))

    def split(self, name: str) -> NodeSplit | None:
        return self._splits[name]

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        if self._own is None:
            raise UserError(f"{self._graph.name} is one graph, and what is to be said of its nodes is its splits")
        for piece in self._own(paths, self.learned):
            yield Given(None if piece.inputs is None else self._unlabelled(piece.inputs), piece.sources, piece.failures)

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(part) for name, part in self._splits.items() if name != "test"}
        size = f"{len(self._graph.labels):,} nodes and {self._graph.edges.shape[1]:,} edges"
        return {"inputs": f"{self.inputs} ({size})", "targets": str(self.targets), "examples": sizes}

    def _learn(self) -> Learned:
        graph = self._graph
        classes = graph.classes.learned_from(graph.labels[graph.parts["train"]])
        return Learned(graph.inputs, classes, graph.tensors, graph.facts)

    def _unlabelled(self, graph: GraphNodes) -> NodeSplit:
        """Nodes of another graph, whose classes are not known."""
        found = each(lambda part: part.to(self._device), graph)
        return NodeSplit(found, torch.zeros_like(found.chosen))

    @cached_property
    def _graph(self) -> LabelledGraph:
        graph = self._source()
        if self._stored is not None:
            check_alike(graph.name, self._stored, graph.inputs, graph.classes)
        return graph

    @cached_property
    def _splits(self) -> dict[str, NodeSplit]:
        graph = self._graph
        on_device = each(lambda part: part.to(self._device), GraphNodes(graph.features, graph.edges, graph.labels))
        features, edges, labels = on_device
        parts = {name: numbers.to(self._device) for name, numbers in graph.parts.items()}
        return {name: NodeSplit(GraphNodes(features, edges, some), labels[some]) for name, some in parts.items()}
