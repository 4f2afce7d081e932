"""Whole graphs in memory, put side by side in batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from nntrain import specs
from nntrain.batch import Batch, GraphBatch
from nntrain.data import Given, Learned, check_alike
from nntrain.data.division import Stratified
from nntrain.data.plain_files import Piece
from nntrain.data.split import SplitSettings, divide_all, sampled
from nntrain.data.tensor_split import EVALUATION_BYTES
from nntrain.errors import UserError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.settings import BatchSize, assumed


class Graphs(NamedTuple):
    """Graphs one after the other.

    features: of all nodes (nodes, features); edges: from row 0 to row 1, numbered within each graph (2, edges);
    node_starts, edge_starts: where those of each graph begin (graphs,); sizes, degrees: how many nodes and edges
    each has (graphs,); these four on the CPU, where Python knows them
    """

    features: Tensor
    edges: Tensor
    node_starts: Tensor
    edge_starts: Tensor
    sizes: Tensor
    degrees: Tensor

    @staticmethod
    def of(features: Tensor, edges: Tensor, graph: Tensor) -> "Graphs":
        """From nodes ordered by their graph (nodes,), and edges, numbered through, in any order."""
        edges = edges[:, graph[edges[0]].argsort(stable=True)]
        sizes = graph.bincount()
        degrees = graph[edges[0]].bincount(minlength=len(sizes))
        node_starts = sizes.cumsum(0) - sizes
        return Graphs(
            features, edges - node_starts[graph[edges[0]]], node_starts, degrees.cumsum(0) - degrees, sizes, degrees
        )

    def on(self, device: torch.device) -> "Graphs":
        return self._replace(features=self.features.to(device), edges=self.edges.to(device))

    def side_by_side(self, numbers: Tensor) -> GraphBatch:
        """Some of the graphs, by their numbers on the CPU, as one batch on the device."""
        known = torch.stack([part[numbers] for part in (self.sizes, self.degrees, self.node_starts, self.edge_starts)])
        nodes, edges = known[:2].sum(dim=1).tolist()
        sizes, degrees, node_starts, edge_starts = known.to(self.features.device, non_blocking=True)
        features = self.features.index_select(0, _places(node_starts, sizes, nodes))
        shift = (sizes.cumsum(0) - sizes).repeat_interleave(degrees, output_size=edges)
        return GraphBatch(features, self.edges.index_select(1, _places(edge_starts, degrees, edges)) + shift, sizes)


def _places(starts: Tensor, counts: Tensor, together: int) -> Tensor:
    """The numbers from each start on, as many as the count says, one run after the other."""
    shift = (starts - counts.cumsum(0) + counts).repeat_interleave(counts, output_size=together)
    return shift + torch.arange(together, device=shift.device)


@dataclass(frozen=True)
class LabelledGraphs:
    """A set as it comes: graphs, and a class for each (graphs,).

    `parts` are their numbers where it comes divided; `facts` are what a checkpoint is to know beside.
    """

    name: str
    graphs: Graphs
    labels: Tensor
    classes: specs.Classes
    parts: Mapping[str, Tensor] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> specs.Graphs:
        return specs.Graphs(self.graphs.features.shape[1])


class GraphSplit:
    """Some of the graphs as examples; their numbers are on the CPU."""

    def __init__(self, graphs: Graphs, numbers: Tensor, targets: Tensor, batch_size: int) -> None:
        self.graphs = graphs
        self.numbers = numbers
        self.targets = targets
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.targets)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self._batch(numbers) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        bytes_each = self.graphs.features.nbytes // len(self.graphs.sizes)
        size = max(self.batch_size, EVALUATION_BYTES // max(1, bytes_each))
        for numbers in torch.split(torch.arange(len(self)), size):
            yield self._batch(numbers)

    def sample(self, examples: int, seed: int) -> "GraphSplit":
        if len(self) <= examples:
            return self
        some = sampled(len(self), examples, seed)
        return GraphSplit(self.graphs, self.numbers[some], self._targets(some), self.batch_size)

    def _batch(self, numbers: Tensor) -> Batch:
        return Batch(self.graphs.side_by_side(self.numbers[numbers]), self._targets(numbers))

    def _targets(self, numbers: Tensor) -> Tensor:
        return self.targets.index_select(0, numbers.to(self.targets.device, non_blocking=True))


class WholeGraphs:
    """Graphs as examples, divided.

    Settings:
        batch_size: how many graphs a batch has; all for the whole training set, auto for as many as are fast here
        split: how the set is divided
    """

    def __init__(
        self,
        source: Callable[[], LabelledGraphs],
        device: torch.device,
        stored: Learned | None,
        own: Callable[[Sequence[str], Learned], Iterator[Piece]] | None = None,
        *,
        batch_size: BatchSize | Literal["all"] = 32,
        split: SplitSettings = SplitSettings(),  # noqa: B008
    ) -> None:
        self._source = source
        self._own = own
        self._device = device
        self._batch_size = assumed(batch_size)
        self._division = split
        self._stored = stored
        self.learned = self._learn() if stored is None else stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets

    @property
    def train(self) -> GraphSplit:
        return self._splits["train"]

    @property
    def batch_size(self) -> int:
        return len(self.train) if self._batch_size == "all" else self._batch_size

    @property
    def sampler(self) -> Sampler:
        return Shuffled(TrainingSet(len(self.train), self.batch_size))

    def split(self, name: str) -> GraphSplit | None:
        return self._splits.get(name)

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        if self._own is None:
            raise UserError(f"there is no way to read {self.inputs} from files; take --split")
        for piece in self._own(paths, self.learned):
            yield Given(None if piece.inputs is None else self._unlabelled(piece.inputs), piece.sources, piece.failures)

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(part) for name, part in self._splits.items() if name != "test"}
        graphs = self._found.graphs
        size = f"{graphs.features.shape[0]:,} nodes and {graphs.edges.shape[1]:,} edges in all"
        return {"inputs": f"{self.inputs} ({size})", "targets": str(self.targets), "examples": sizes}

    def _learn(self) -> Learned:
        found = self._found
        return Learned(found.inputs, found.classes.learned_from(found.labels[self._parts[0]]), facts=found.facts)

    def _unlabelled(self, graphs: Graphs) -> GraphSplit:
        """Other graphs, whose classes are not known."""
        numbers = torch.arange(len(graphs.sizes))
        targets = torch.zeros_like(numbers, device=self._device)
        return GraphSplit(graphs.on(self._device), numbers, targets, len(numbers))

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The numbers of the graphs of training, dev and test set."""
        found = self._found
        if found.parts is None:
            return divide_all(Stratified(found.classes.strata(found.labels)), self._division)
        train = found.parts["train"]
        strata = found.classes.strata(found.labels[train])
        kept, _, _ = divide_all(Stratified(strata), self._division, found.name, ("dev", "test"))
        return train[kept], found.parts["dev"], found.parts["test"]

    @cached_property
    def _found(self) -> LabelledGraphs:
        found = self._source()
        if self._stored is not None:
            check_alike(found.name, self._stored, found.inputs, found.classes)
        return found

    @cached_property
    def _splits(self) -> dict[str, GraphSplit]:
        found = self._found
        graphs = found.graphs.on(self._device)
        size = 1 if self._batch_size == "all" else self._batch_size
        return {
            name: GraphSplit(graphs, numbers, found.labels[numbers].to(self._device), size)
            for name, numbers in zip(("train", "dev", "test"), self._parts, strict=True)
            if len(numbers)
        }
