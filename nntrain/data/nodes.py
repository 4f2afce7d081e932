"""Nodes of one graph, which every batch holds whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from nntrain import specs
from nntrain.batch import Batch, GraphNodes, each
from nntrain.data.split import sampled
from nntrain.settings import Count
from nntrain.sparse import Sparse


@dataclass(frozen=True)
class LabelledGraph:
    """A graph as it comes: features (nodes, features), edges (2, edges), a class for each node (nodes,).

    `parts` are the numbers of the nodes of the training, dev and test set.
    """

    name: str
    features: Tensor | Sparse
    edges: Tensor
    labels: Tensor
    classes: specs.Classes
    parts: Mapping[str, Tensor]

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
        batch = self._batch(sampled(len(self), examples, seed).to(self.targets.device))
        return NodeSplit(batch.inputs, batch.targets)

    def _batch(self, numbers: Tensor) -> Batch:
        chosen = self.graph.chosen.index_select(0, numbers)
        return Batch(self.graph._replace(chosen=chosen), self.targets.index_select(0, numbers))


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
        stored: Mapping[str, Tensor] | None,
        *,
        batch_size: Count | Literal["all"] = "all",
    ) -> None:
        graph = source()
        self.inputs, classes = graph.inputs, graph.classes
        trained = graph.labels[graph.parts["train"]]
        self.targets = classes.learned_from(trained) if stored is None else classes.restored(stored)
        on_device = each(lambda part: part.to(device), GraphNodes(graph.features, graph.edges, graph.labels))
        features, edges, labels = on_device
        self._splits = {
            name: NodeSplit(GraphNodes(features, edges, chosen), labels[chosen])
            for name, chosen in ((name, numbers.to(device)) for name, numbers in graph.parts.items())
        }
        self.train = self._splits["train"]
        self.batch_size = len(self.train) if batch_size == "all" else batch_size
        self._size = f"{len(labels):,} nodes and {edges.shape[1]:,} edges"

    def split(self, name: str) -> NodeSplit | None:
        return self._splits[name]

    def prepared(self) -> dict[str, Tensor]:
        return self.targets.statistics()

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(part) for name, part in self._splits.items() if name != "test"}
        return {"inputs": f"{self.inputs} ({self._size})", "targets": str(self.targets), "examples": sizes}
