"""The user's own graph: a table of edges and a table of nodes."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from nntrain.data.class_folders import PARTS
from nntrain.data.columns import Columns, Rows
from nntrain.data.delimited import Decimal, Separator
from nntrain.data.division import Stratified
from nntrain.data.nodes import LabelledGraph, OnNodes
from nntrain.data.split import SplitSettings, divide_all
from nntrain.data.table import MISSING
from nntrain.data.table_files import TableFiles
from nntrain.data.table_target import ClassColumn
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes
from nntrain.suggest import did_you_mean

IDENTITY = 4096  # nodes without features that may be told apart by a feature of their own


@data("graph", within=OnNodes)
def graph(
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
) -> LabelledGraph:
    """Your own graph, whose nodes are to be classified: a table of nodes and a table of edges (CSV, TSV, Parquet).

    The columns of the nodes beside id, target and part are their features, which are numbers; without any, each node
    is told apart by a feature of its own. Nodes without a label are part of the graph, but no examples.
    Source: own.

    Settings:
        edges: the table of edges
        nodes: the table of nodes
        id: the column of a node's name
        target: the column of a node's class, empty where it is not known
        part: a column that says train, dev or test, empty where a node is in none; left out, nodes are divided
        ends: the columns of the edges that name the nodes from which and to which they go
        directed: whether an edge goes only one way
        standardize: whether features get mean 0 and deviation 1, over all nodes
        split: how the labelled nodes are divided, where no column says it
        separator: what stands between values; auto looks
        decimal: what stands before decimals; auto looks
    """
    files = TableFiles(MISSING, separator, decimal)
    table, links = files.read(nodes), files.read(edges)
    for setting, name in (("id", id), ("target", target), ("part", part)):
        if name is not None and name not in table.text:
            raise UnfitError(f"{nodes} has no column '{name}'; {did_you_mean(name, table.text)}", setting)
    numbers = _numbers(table, id)
    found = _ends(links, ends, numbers, id)
    features = _features(table, [name for name in table.text if name not in (id, target, part)], standardize)
    labelled = torch.tensor([row for row, label in enumerate(table.text[target]) if label])
    parts = _parts(table, part, labelled, target, split)
    classes, labels = _labels(table, target, labelled, parts["train"])
    both = found if directed else torch.unique(torch.cat((found, found.flip(0)), dim=1), dim=1)
    return LabelledGraph("graph", features, both, labels, classes, parts)


def _numbers(table: Columns, id: str) -> dict[str, int]:
    """The number of each node by its name."""
    numbers: dict[str, int] = {}
    for row, name in enumerate(table.text[id]):
        where = f"{table.path}:{table.rows[row]}"
        if not name:
            raise UserError(f"{where}: there is no {id}")
        if name in numbers:
            raise UserError(f"{where}: the node '{name}' is there already, in row {table.rows[numbers[name]]}")
        numbers[name] = row
    return numbers


def _ends(links: Columns, ends: tuple[str, str], numbers: Mapping[str, int], id: str) -> Tensor:
    """The edges by the numbers of their nodes (2, edges)."""
    for name in ends:
        if name not in links.text:
            raise UnfitError(f"{links.path} has no column '{name}'; {did_you_mean(name, links.text)}", "ends")
    for column in ends:
        for row, name in enumerate(links.text[column]):
            if name not in numbers:
                raise UserError(f"{links.path}:{links.rows[row]}: there is no node whose {id} is '{name}'")
    return torch.tensor([[numbers[name] for name in links.text[column]] for column in ends])


def _features(table: Columns, names: list[str], standardize: bool) -> Tensor:
    """Numbers for each node (nodes, features)."""
    count = len(table.rows)
    if not names:
        if count > IDENTITY:
            raise UserError(f"{table.path} has no column of features, and {count} nodes; give each at least a number")
        return torch.eye(count)
    values = np.stack([Rows.all_of(table).values(name, "value") for name in names], axis=1)
    features = torch.from_numpy(values).to(torch.get_default_dtype())
    if not standardize:
        return features
    deviation, mean = torch.std_mean(features, dim=0, correction=0)
    return (features - mean) / torch.where(deviation > 0, deviation, 1.0)


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


def _labels(table: Columns, target: str, labelled: Tensor, train: Tensor) -> tuple[Classes, Tensor]:
    """The classes of the training set, and the class of each node, 0 where it has none."""
    column = ClassColumn(target)
    classes = column.learn(_some(table, train))
    labels = torch.zeros(len(table.rows), dtype=torch.long)
    labels[labelled] = column.encode(_some(table, labelled), classes)
    return classes, labels


def _some(table: Columns, rows: Tensor) -> Rows:
    """Some rows as a table of their own: in the others a value may be missing."""
    text = {name: [values[row] for row in rows.tolist()] for name, values in table.text.items()}
    return Rows.all_of(Columns(table.path, [table.rows[row] for row in rows.tolist()], text, table.decimal))
