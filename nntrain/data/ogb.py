"""Sets of the Open Graph Benchmark, read from their raw files."""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.data.graphs import Graphs, LabelledGraphs, WholeGraphs
from nntrain.data.nodes import LabelledGraph, OnNodes
from nntrain.data.public_files import archived, found_or_made, size_of
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes
from nntrain.suggest import did_you_mean

PARTS = {"train": "train", "valid": "dev", "test": "test"}
# How many kinds each property of an atom has: element, chirality, degree, charge, hydrogens, radical electrons,
# hybridisation, whether it is aromatic, whether it is in a ring.
ATOM = (119, 5, 12, 12, 10, 6, 6, 2, 2)
About = Mapping[str, str]


@data("ogb_nodes", within=OnNodes)
def ogb_nodes(*, name: str = "ogbn-arxiv", directed: bool = False, root: PathText | None = None) -> LabelledGraph:
    """A graph of the Open Graph Benchmark whose nodes are classified, such as 169,343 papers and what they cite.

    Needs the package that knows the sets: pip install ogb. Those with one class a node and one kind of node can be
    read: ogbn-arxiv and ogbn-products. Parts are the official ones; measure accuracy.
    Source: Hu et al., Open Graph Benchmark, 2020, arXiv:2005.00687.

    Settings:
        name: which graph
        directed: whether an edge goes only one way
        root: the folder that holds ogbn_arxiv; left out, $NNTRAIN_DATA, else it is downloaded (80 MB, the size of
            others is said)
    """
    about = _about("nodeproppred", name)
    if about["is hetero"] == "True" or about["binary"] == "True" or about["has_node_attr"] != "True":
        raise UnfitError(f"{name} is no graph of one kind of nodes with features in tables; take ogbn-arxiv", "name")
    files = _files(about, "edge", "node-feat", "node-label")
    folder = _folder(name, about, files, root)
    features, edges = _numbers(folder / "raw/node-feat.csv.gz", np.float32), _numbers(folder / "raw/edge.csv.gz").T
    labels = _numbers(folder / "raw/node-label.csv.gz").flatten()
    if len(features) != len(labels) or not _are_numbers_of(edges, len(labels)):
        raise UserError(f"{folder}: its files do not fit together; fetch them again")
    both = edges if directed else torch.unique(torch.cat((edges, edges.flip(0)), dim=1), dim=1)
    parts = _parts(folder, about, len(labels))
    return LabelledGraph(name, features, both, labels, _classes(about), parts)


@data("ogb_graphs", within=WholeGraphs)
def ogb_graphs(*, name: str = "ogbg-molhiv", root: PathText | None = None) -> LabelledGraphs:
    """Graphs of the Open Graph Benchmark with a class each, such as 41,127 molecules, whether they hinder HIV.

    Needs the package that knows the sets: pip install ogb. Those with one class a graph can be read: ogbg-molhiv,
    ogbg-molbace, ogbg-molbbbp and ogbg-ppa. Atoms have the one-hot codes of their nine properties; bonds are edges
    without properties. Parts are the official ones; of molecules measure `metrics: [auroc]`.
    Source: Hu et al., Open Graph Benchmark, 2020, arXiv:2005.00687.

    Settings:
        name: which set
        root: the folder that holds ogbg_molhiv; left out, $NNTRAIN_DATA, else it is downloaded (3 MB, the size of
            others is said)
    """
    about = _about("graphproppred", name)
    has_atoms = about["data type"] == "mol"
    if about["has_node_attr"] == "True" and not has_atoms:
        raise UnfitError(f"{name} has nodes that are neither atoms nor without features; take ogbg-molhiv", "name")
    tables = ("edge", "num-node-list", "num-edge-list", "graph-label", *(("node-feat",) if has_atoms else ()))
    folder = _folder(name, about, _files(about, *tables), root)
    sizes, degrees, labels = (
        _numbers(folder / f"raw/{table}.csv.gz").flatten()
        for table in ("num-node-list", "num-edge-list", "graph-label")
    )
    graph, edges = torch.arange(len(sizes)).repeat_interleave(sizes), _numbers(folder / "raw/edge.csv.gz").T
    features = _atoms(folder) if has_atoms else torch.ones(len(graph), 1)
    if not len(sizes) == len(degrees) == len(labels) or len(features) != len(graph) or edges.shape[1] != degrees.sum():
        raise UserError(f"{folder}: its files do not fit together; fetch them again")
    edges = edges + (sizes.cumsum(0) - sizes).repeat_interleave(degrees)
    both = torch.cat((edges, edges.flip(0)), dim=1)
    parts = _parts(folder, about, len(labels))
    return LabelledGraphs(name, Graphs.of(features, both, graph), labels, _classes(about), parts)


def _about(kind: str, name: str) -> About:
    """What the package says of a set; it is not imported, which would ask the network for a newer one."""
    package = find_spec("ogb")
    if package is None or not package.submodule_search_locations:
        raise UserError(f"which sets there are, {name} among them, is known to a package: pip install ogb")
    table = Path(package.submodule_search_locations[0]) / kind / "master.csv"
    (_, *names), *rows = csv.reader(table.read_text(encoding="utf-8").splitlines())
    known = {found: {key: values[i] for key, *values in rows} for i, found in enumerate(names)}
    if name not in known:
        raise UnfitError(f"there is no set '{name}'; {did_you_mean(name, known)}", "name")
    if known[name]["num tasks"] != "1" or "class" not in known[name]["task type"]:
        raise UnfitError(f"{name} is for {known[name]['task type']} of {known[name]['num tasks']} targets", "name")
    return known[name]


def _files(about: About, *tables: str) -> list[str]:
    split = (f"split/{about['split']}/{part}.csv.gz" for part in PARTS)
    return [*(f"raw/{table}.csv.gz" for table in tables), *split]


def _folder(name: str, about: About, files: Sequence[str], root: str | None) -> Path:
    """Where the raw files lie, downloaded where they are nowhere."""
    size = partial(size_of, about["url"])
    return found_or_made(name, name.replace("-", "_"), files, size, partial(_download, about["url"], files), root)


def _download(url: str, files: Sequence[str], folder: Path) -> None:
    for file, content in archived(url, {file: f"/{file}" for file in files}).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)


def _numbers(path: Path, dtype: Any = np.int64) -> Tensor:
    """The rows of a packed table of numbers."""
    try:
        return torch.from_numpy(np.loadtxt(path, dtype=dtype, delimiter=",", ndmin=2))
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} is not read: {error}; fetch it again") from None


def _atoms(folder: Path) -> Tensor:
    """The properties of atoms (atoms, 174), one-hot."""
    path = folder / "raw/node-feat.csv.gz"
    kinds = _numbers(path)
    if kinds.shape[1] != len(ATOM) or bool((kinds < 0).any()) or bool((kinds >= torch.tensor(ATOM)).any()):
        raise UserError(f"{path}: expected {len(ATOM)} properties of each atom; fetch it again")
    codes = [F.one_hot(kind, count) for kind, count in zip(kinds.unbind(1), ATOM, strict=True)]
    return torch.cat(codes, dim=1).to(torch.get_default_dtype())


def _parts(folder: Path, about: About, examples: int) -> dict[str, Tensor]:
    parts = {
        ours: _numbers(folder / f"split/{about['split']}/{theirs}.csv.gz").flatten() for theirs, ours in PARTS.items()
    }
    if not _are_numbers_of(torch.cat(list(parts.values())), examples):
        raise UserError(f"{folder}: its parts name examples that are not there; fetch them again")
    return parts


def _are_numbers_of(numbers: Tensor, count: int) -> bool:
    return 0 <= int(numbers.min()) <= int(numbers.max()) < count


def _classes(about: About) -> Classes:
    return Classes(tuple(map(str, range(int(about["num classes"])))))
