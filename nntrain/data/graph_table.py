"""The user's own graphs with a class each, in tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from nntrain.data import Learned
from nntrain.data.columns import Columns, Rows
from nntrain.data.delimited import Decimal, Separator
from nntrain.data.graph_tables import check_column, edges_of, numbers_of, values_of
from nntrain.data.graphs import Graphs, LabelledGraphs, WholeGraphs
from nntrain.data.plain_files import Piece
from nntrain.data.row_sequences import by_id
from nntrain.data.split import SplitSettings
from nntrain.data.table import MISSING
from nntrain.data.table_files import TableFiles
from nntrain.data.table_plan import lacking
from nntrain.data.table_target import ClassColumn
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import BatchSize, PathText
from nntrain.specs import Classes


class One(NamedTuple):
    """A graph: features (nodes, features), edges (2, edges)."""

    features: Tensor
    edges: Tensor


def own_graphs(
    files: Callable[[], "GraphTable"],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: BatchSize | Literal["all"] = 32,
    split: SplitSettings = SplitSettings(),  # noqa: B008
) -> WholeGraphs:
    """The user's own graphs, divided.

    Settings:
        batch_size: how many graphs a batch has; all for the whole training set, auto for as many as are fast here
        split: how the set is divided
    """
    own = files()
    return WholeGraphs(lambda: own.read(stored), device, stored, own.given, batch_size=batch_size, split=split)


@data("graph_table", within=own_graphs)
class GraphTable:
    """Your own graphs, each of which is to be classified: tables of graphs, nodes and edges (CSV, TSV, Parquet).

    The table of nodes says of each its graph, its name in this graph and its features, which are numbers and taken as
    they are; the table of edges a graph and two of its nodes. A trained model answers for all graphs in two such
    tables of nodes and edges.
    Source: own.

    Settings:
        path: the table of graphs, each with its class
        nodes: the table of nodes
        edges: the table of edges
        graph: the column, in all tables, of a graph's name
        id: the column of a node's name
        target: the column of a graph's class
        ends: the columns of the edges that name the nodes from which and to which they go
        directed: whether an edge goes only one way
        separator: what stands between values; auto looks
        decimal: what stands before decimals; auto looks
    """

    def __init__(
        self,
        *,
        path: PathText,
        nodes: PathText,
        edges: PathText,
        graph: str = "graph",
        id: str = "id",
        target: str = "label",
        ends: tuple[str, str] = ("source", "target"),
        directed: bool = False,
        separator: Separator = "auto",
        decimal: Decimal = "auto",
    ) -> None:
        self._paths = path, nodes, edges
        self._graph = graph
        self._id = id
        self._target = target
        self._ends = ends
        self._directed = directed
        self._files = TableFiles(MISSING, separator, decimal)

    def read(self, stored: Learned | None) -> LabelledGraphs:
        table, nodes, links = map(self._files.read, self._paths)
        for some, name, setting in (
            *((some, self._graph, "graph") for some in (table, nodes, links)),
            (table, self._target, "target"),
            (nodes, self._id, "id"),
            *((links, end, "ends") for end in self._ends),
        ):
            check_column(some, name, setting)
        features = [name for name in nodes.text if name not in (self._graph, self._id)]
        if not features:
            raise UserError(f"{nodes.path} has no column of features; give each node at least a number")
        names = numbers_of(table, self._graph)
        self._check_known(nodes, names)
        self._check_known(links, names)
        found = _side_by_side([one for _, one in self._each(nodes, links, names, features, _raise)])
        column = ClassColumn(self._target)
        classes = column.learn(Rows.all_of(table)) if stored is None else stored.targets
        assert isinstance(classes, Classes)
        labels = column.encode(Rows.all_of(table), classes)
        return LabelledGraphs("graph_table", found, labels, classes, facts={"features": features})

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        try:
            yield self._given(paths, learned.facts["features"])
        except UserError as error:
            yield Piece(None, [], [str(error)])

    def _given(self, paths: Sequence[str], features: Sequence[str]) -> Piece:
        """All graphs in a table of nodes and one of edges, in either order; those that cannot be read are named."""
        tables = [self._files.read(path) for path in paths]
        links = [table for table in tables if all(name in table.text for name in self._ends)]
        nodes = [table for table in tables if table not in links]
        if len(links) != 1 or len(nodes) != 1:
            raise UserError(f"expected a table of nodes and one of edges, with the columns {' and '.join(self._ends)}")
        lacking(nodes[0], [self._graph, self._id, *features])
        lacking(links[0], [self._graph])
        failures: list[str] = []
        names = dict.fromkeys([*nodes[0].text[self._graph], *links[0].text[self._graph]])
        found = list(self._each(nodes[0], links[0], names, features, lambda error: failures.append(str(error))))
        sources = [{"file": nodes[0].path, "graph": name} for name, _ in found]
        return Piece(_side_by_side([one for _, one in found]) if found else None, sources, failures)

    def _each(
        self,
        nodes: Columns,
        links: Columns,
        names: Iterable[str],
        features: Sequence[str],
        complain: Callable[[UserError], None],
    ) -> Iterator[tuple[str, One]]:
        """The graphs by their names; what is wrong with one is complained of."""
        of_nodes, of_links = by_id(nodes, self._graph), by_id(links, self._graph)
        for name in names:
            try:
                if not name:
                    table, rows = (nodes, of_nodes[name]) if name in of_nodes else (links, of_links[name])
                    raise UserError(f"{table.path}:{table.rows[rows[0]]}: there is no {self._graph}")
                if name not in of_nodes:
                    raise UserError(f"{nodes.path} has no node of the graph '{name}'")
                own = nodes.part(of_nodes[name])
                numbers = numbers_of(own, self._id)
                edges = edges_of(links.part(of_links.get(name, [])), self._ends, numbers, self._id, self._directed)
                yield name, One(values_of(own, features).to(torch.get_default_dtype()), edges)
            except UserError as error:
                complain(error)

    def _check_known(self, table: Columns, names: Iterable[str]) -> None:
        """UserError, with the row, for a graph that the table of graphs does not have."""
        for row, name in enumerate(table.text[self._graph]):
            if name not in names:
                raise UserError(f"{table.path}:{table.rows[row]}: there is no graph '{name}' in {self._paths[0]}")


def _raise(error: UserError) -> None:
    raise error


def _side_by_side(found: Sequence[One]) -> Graphs:
    sizes = torch.tensor([len(one.features) for one in found])
    starts = sizes.cumsum(0) - sizes
    edges = torch.cat([one.edges + start for one, start in zip(found, starts, strict=True)], dim=1)
    return Graphs.of(
        torch.cat([one.features for one in found]), edges, torch.arange(len(found)).repeat_interleave(sizes)
    )
