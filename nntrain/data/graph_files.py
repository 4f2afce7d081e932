"""The user's own graph: a table of edges and a table of nodes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from nntrain.batch import GraphNodes
from nntrain.data import Learned
from nntrain.data.class_folders import PARTS
from nntrain.data.columns import Columns, Rows
from nntrain.data.delimited import Decimal, Separator
from nntrain.data.division import Stratified
from nntrain.data.graph_tables import check_column, edges_of, numbers_of, values_of
from nntrain.data.nodes import LabelledGraph, OnNodes
from nntrain.data.plain_files import Piece
from nntrain.data.split import SplitSettings, divide_all
from nntrain.data.table import MISSING
from nntrain.data.table_files import TableFiles
from nntrain.data.table_plan import lacking
from nntrain.data.table_target import ClassColumn
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import Count, PathText
from nntrain.specs import Classes, Nodes

IDENTITY = 4096  # nodes without features that may be told apart by a feature of their own


def own_nodes(
    files: Callable[[], "Graph"],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: Count | Literal["all"] = "all",
) -> OnNodes:
    """The labelled nodes of the user's own graph.

    Settings:
        batch_size: how many labelled nodes a batch has; all for the whole training set (a network for graphs
            computes all nodes for every batch)
    """
    own = files()
    return OnNodes(lambda: own.read(stored), device, stored, own.given, batch_size=batch_size)


@data("graph", within=own_nodes)
class Graph:
    """Your own graph, whose nodes are to be classified: a table of nodes and a table of edges (CSV, TSV, Parquet).

    The columns of the nodes beside id, target and part are their features, which are numbers; without any, each node
    is told apart by a feature of its own. Nodes without a label are part of the graph, but no examples. A trained
    model answers for all nodes of a graph in two such tables, for its own or for another one with the same features.
    Source: own.

    Settings:
        edges: the table of edges
        nodes: the table of nodes
        id: the column of a node's name
        target: the column of a node's class, empty where it is not known
        part: a column that says train, dev or test, empty where a node is in none; left out, nodes are divided
        ends: the columns of the edges that name the nodes from which and to which they go
        directed: whether an edge goes only one way
        standardize: whether features get mean 0 and deviation 1 in the training set
        split: how the labelled nodes are divided, where no column says it
        separator: what stands between values; auto looks
        decimal: what stands before decimals; auto looks
    """

    def __init__(
        self,
        *,
        edges: PathText,
        nodes: PathText,
        id: str = "id",
        target: str = "label",
        part: str | None = None,
        ends: tuple[str, str] = ("source", "target"),
        directed: bool = False,
        standardize: bool = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
        separator: Separator = "auto",
        decimal: Decimal = "auto",
    ) -> None:
        self._paths = nodes, edges
        self._id = id
        self._target = target
        self._part = part
        self._ends = ends
        self._directed = directed
        self._standardize = standardize
        self._split = split
        self._files = TableFiles(MISSING, separator, decimal)

    def read(self, stored: Learned | None) -> LabelledGraph:
        table, links = map(self._files.read, self._paths)
        for setting, name in (("id", self._id), ("target", self._target), ("part", self._part)):
            if name is not None:
                check_column(table, name, setting)
        for name in self._ends:
            check_column(links, name, "ends")
        edges = edges_of(links, self._ends, numbers_of(table, self._id), self._id, self._directed)
        labelled = torch.tensor([row for row, label in enumerate(table.text[self._target]) if label])
        parts = _parts(table, self._part, labelled, self._target, self._split)
        learned = self._learn(table, parts["train"]) if stored is None else stored
        labels = torch.zeros(len(table.rows), dtype=torch.long)
        labels[labelled] = ClassColumn(self._target).encode(_some(table, labelled), learned.targets)
        assert isinstance(learned.targets, Classes)
        features = self._features(table, learned)
        return LabelledGraph("graph", features, edges, labels, learned.targets, parts, learned.tensors, learned.facts)

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        try:
            yield self._given(paths, learned)
        except UserError as error:
            yield Piece(None, [], [str(error)])

    def _given(self, paths: Sequence[str], learned: Learned) -> Piece:
        """All nodes of the graph in two tables, in either order."""
        tables = [self._files.read(path) for path in paths]
        links = [table for table in tables if all(name in table.text for name in self._ends)]
        rest = [table for table in tables if table not in links]
        if len(links) != 1 or len(rest) != 1:
            raise UserError(f"expected a table of nodes and one of edges, with the columns {' and '.join(self._ends)}")
        lacking(rest[0], [self._id, *learned.facts.get("features", [])])
        numbers = numbers_of(rest[0], self._id)
        features = self._features(rest[0], learned)
        edges = edges_of(links[0], self._ends, numbers, self._id, self._directed)
        sources = [{"file": rest[0].path, "row": rest[0].rows[row], "id": name} for name, row in numbers.items()]
        return Piece(GraphNodes(features, edges, torch.arange(len(numbers))), sources)

    def _learn(self, table: Columns, train: Tensor) -> Learned:
        """The classes of the training set, and what its features are."""
        others = (self._id, self._target, self._part)
        names = [name for name in table.text if name not in others]
        classes = ClassColumn(self._target).learn(_some(table, train))
        if not names:
            if len(table.rows) > IDENTITY:
                raise UserError(
                    f"{table.path} has no column of features, and {len(table.rows)} nodes; give each at least a number"
                )
            return Learned(Nodes(len(table.rows)), classes, facts={"nodes": table.text[self._id]})
        known = values_of(table, names)[train]
        deviation, mean = torch.std_mean(known, dim=0, correction=0)
        if not self._standardize:
            deviation, mean = torch.ones_like(deviation), torch.zeros_like(mean)
        scale = {"mean": mean, "deviation": torch.where(deviation > 0, deviation, 1.0)}
        return Learned(Nodes(len(names)), classes, scale, {"features": names})

    def _features(self, table: Columns, learned: Learned) -> Tensor:
        """Numbers for each node (nodes, features)."""
        if "features" in learned.facts:
            mean, deviation = learned.tensors["mean"], learned.tensors["deviation"]
            scaled = (values_of(table, learned.facts["features"]) - mean) / deviation
            return scaled.to(torch.get_default_dtype())
        place = {name: i for i, name in enumerate(learned.facts["nodes"])}
        features = torch.zeros(len(table.rows), len(place))
        for row, name in enumerate(table.text[self._id]):
            if name not in place:
                where = f"{table.path}:{table.rows[row]}"
                raise UserError(f"{where}: the model knows no node '{name}', and nodes have no features to tell by")
            features[row, place[name]] = 1.0
        return features


def _parts(table: Columns, part: str | None, labelled: Tensor, target: str, split: SplitSettings) -> dict[str, Tensor]:
    """The numbers of the nodes of training, dev and test set."""
    if part is None:
        strata = ClassColumn(target).strata(_some(table, labelled))
        divided = divide_all(Stratified(strata), split)
        return {name: labelled[some] for name, some in zip(("train", "dev", "test"), divided, strict=True)}
    rows: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    for row in labelled.tolist():
        name = table.text[part][row]
        if name and name not in PARTS:
            where = f"{table.path}:{table.rows[row]}"
            raise UserError(f"{where}: expected the part train, dev or test, or nothing, found '{name}'")
        if name:
            rows[PARTS[name]].append(row)
    if not rows["train"]:
        raise UserError(f"{table.path}: no labelled node is of the part train")
    return {name: torch.tensor(numbers, dtype=torch.long) for name, numbers in rows.items()}


def _some(table: Columns, rows: Tensor) -> Rows:
    """Some rows as a table of their own: in the others a value may be missing."""
    return Rows.all_of(table.part(rows.tolist()))
