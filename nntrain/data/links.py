"""Links between the nodes of one graph, some of which are held out."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from nntrain import specs
from nntrain.batch import Batch, GraphNodes
from nntrain.data import Given, Learned, check_alike
from nntrain.data.nodes import OnNodes
from nntrain.data.split import sampled
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.samplers import Sampler, TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.settings import Count, Share, Whole
from nntrain.settings import Data as DataSetting


class LinkSplit:
    """Some links as examples, and as many pairs of nodes that are not linked.

    A batch's nodes are the first of every pair, then the second. In training the pairs without a link are drawn anew
    for each batch; one that is a link of the training set after all is told as one.
    """

    def __init__(self, graph: GraphNodes, pairs: Tensor, others: Tensor) -> None:
        self.graph = graph
        self.pairs = pairs
        self.others = others

    def __len__(self) -> int:
        return len(self.pairs)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        known = numbers_of(self.pairs, self.graph.nodes).sort().values
        for update in plan:
            yield [self._drawn(self._chosen(numbers), known) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        is_link = torch.arange(2 * len(self), device=self.pairs.device) < len(self)
        yield self._batch(torch.cat((self.pairs, self.others)), is_link)

    def sample(self, examples: int, seed: int) -> "LinkSplit":
        if len(self) <= examples:
            return self
        some = sampled(len(self), examples, seed).to(self.pairs.device)
        return LinkSplit(self.graph, self.pairs[some], self.others[some])

    def _chosen(self, numbers: Tensor) -> Tensor:
        return self.pairs.index_select(0, numbers.to(self.pairs.device, non_blocking=True))

    def _drawn(self, pairs: Tensor, known: Tensor) -> Batch:
        nodes = self.graph.nodes
        first = torch.randint(nodes, (len(pairs),), device=pairs.device)
        second = (first + torch.randint(1, nodes, (len(pairs),), device=pairs.device)) % nodes
        both = torch.cat((pairs, torch.stack((first, second), dim=1)))
        return self._batch(both, is_in(numbers_of(both, nodes), known))

    def _batch(self, pairs: Tensor, is_link: Tensor) -> Batch:
        return Batch(self.graph._replace(chosen=pairs.T.flatten()), is_link.long())


@data("links")
class HeldOutLinks:
    """The links of a graph, of which the network sees those of the training set; others are to be foretold.

    Links have no direction. Dev and test set have as many pairs without a link, drawn from all such pairs.
    Source: the division of Kipf, Welling, Variational graph auto-encoders, 2016, arXiv:1611.07308.

    Settings:
        graph: the data whose nodes are linked
        dev: the share of the links for the dev set
        test: the share for the test set
        batch_size: how many links a batch has, and as many pairs without; all for the whole training set
        seed: of the division and of the pairs without a link in dev and test set; not the run's
    """

    def __init__(
        self,
        device: torch.device,
        stored: Learned | None,
        *,
        graph: DataSetting = "cora",
        dev: Share = 0.05,
        test: Share = 0.1,
        batch_size: Count | Literal["all"] = "all",
        seed: Whole = 0,
    ) -> None:
        self._device = device
        self._graph = graph
        self._shares = (dev, test)
        self._batch_size = batch_size
        self._seed = seed
        self._stored = stored
        self.learned = Learned(self._whole.inputs, specs.Links()) if stored is None else stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets
        if stored is None:
            self.split("train")  # what cannot be divided is refused before anything starts

    @property
    def train(self) -> LinkSplit:
        return self._splits["train"]

    @property
    def batch_size(self) -> int:
        return len(self.train) if self._batch_size == "all" else self._batch_size

    @property
    def sampler(self) -> Sampler:
        return Shuffled(TrainingSet(len(self.train), self.batch_size))

    def split(self, name: str) -> LinkSplit | None:
        return self._splits[name]

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        raise UserError("links are of one graph, and what is to be said of them is its splits")

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(part) for name, part in self._splits.items() if name != "test"}
        return {"inputs": str(self.inputs), "targets": str(self.targets), "examples": sizes}

    @cached_property
    def _whole(self) -> OnNodes:
        found = self._graph(self._device, None)
        if not isinstance(found, OnNodes):
            raise UnfitError(f"{self._graph.name} is no data of nodes that are linked; take one such as cora", "graph")
        if self._stored is not None:
            check_alike(self._graph.name, self._stored, found.inputs, specs.Links())
        return found

    @cached_property
    def _splits(self) -> dict[str, LinkSplit]:
        whole = self._whole.train.graph
        parts, others = _divided(_pairs(whole).cpu(), whole.nodes, *self._shares, self._seed)
        seen = parts["train"].T.to(self._device)
        trained = GraphNodes(whole.features, torch.cat((seen, seen.flip(0)), dim=1), whole.chosen)
        return {name: LinkSplit(trained, parts[name].to(self._device), others[name].to(self._device)) for name in parts}


def numbers_of(pairs: Tensor, nodes: int) -> Tensor:
    """One number for each pair (n, 2), the same whichever node comes first."""
    low, high = pairs.aminmax(dim=1)
    return low * nodes + high


def is_in(numbers: Tensor, known: Tensor) -> Tensor:
    """Which numbers are among known ones, in order; torch's own counts the different ones, and waits for that."""
    places = torch.searchsorted(known, numbers).clamp(max=len(known) - 1)
    return known[places] == numbers


def _pairs(graph: GraphNodes) -> Tensor:
    """Each two nodes that are linked, once (links, 2)."""
    numbers = torch.unique(numbers_of(graph.edges.T, graph.nodes))
    pairs = torch.stack((numbers // graph.nodes, numbers % graph.nodes), dim=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def _divided(
    pairs: Tensor, nodes: int, dev: float, test: float, seed: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The links of each part, and as many pairs without a link."""
    sizes = [int(dev * len(pairs)), int(test * len(pairs))]
    if min(sizes) == 0 or sum(sizes) >= len(pairs):
        left = f"{len(pairs) - sum(sizes)} for training, {sizes[0]} for the dev and {sizes[1]} for the test set"
        raise UnfitError(f"of {len(pairs)} links this leaves {left}", "dev")
    generator = torch.Generator().manual_seed(seed)
    shuffled = pairs[torch.randperm(len(pairs), generator=generator)]
    others = _without_links(pairs, nodes, generator)
    names, counts = ("dev", "test", "train"), [*sizes, len(pairs) - sum(sizes)]
    return (
        dict(zip(names, torch.split(shuffled, counts), strict=True)),
        dict(zip(names, torch.split(others, counts), strict=True)),
    )


def _without_links(pairs: Tensor, nodes: int, generator: torch.Generator) -> Tensor:
    """As many different pairs of nodes as there are links, none of them a link."""
    linked, found = numbers_of(pairs, nodes), torch.empty(0, dtype=torch.long)
    if 2 * len(pairs) > nodes * (nodes - 1) // 2:
        raise UnfitError("more than half of all pairs of nodes are linked; there are too few without", "graph")
    while len(found) < len(pairs):
        drawn = torch.randint(nodes, (2 * len(pairs), 2), generator=generator)
        fresh = numbers_of(drawn[drawn[:, 0] != drawn[:, 1]], nodes)
        found = torch.unique(torch.cat((found, fresh[~torch.isin(fresh, linked)])))
    kept = found[torch.randperm(len(found), generator=generator)[: len(pairs)]]
    return torch.stack((kept // nodes, kept % nodes), dim=1)
