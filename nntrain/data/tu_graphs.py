"""Sets of graphs from the collection of TU Dortmund: molecules and proteins."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nntrain.data.graphs import Graphs, LabelledGraphs, WholeGraphs
from nntrain.data.public_files import archived, found_or_downloaded, found_or_made, size_of
from nntrain.errors import UnfitError, UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes

COMMIT = "f76543d8bd82c7ebe1c16f59d9219d038c62ac8e"
COLLECTION = "https://www.chrsmrrs.com/graphkerneldatasets"
URL = f"https://raw.githubusercontent.com/XuelinHu/Matrix-ResGNN-GraphClassificatio/{COMMIT}/data/TUDataset"


@data("mutag", within=WholeGraphs)
def mutag(*, root: PathText | None = None) -> LabelledGraphs:
    """188 molecules, 7 kinds of atom (one-hot), whether they cause mutations in a bacterium.

    Source: Debnath et al., Structure-activity relationship of mutagenic aromatic and heteroaromatic nitro
    compounds, 1991; Morris et al., TUDataset, 2020, arXiv:2007.08663.

    Settings:
        root: the folder that holds TUDataset/MUTAG/raw; left out, $NNTRAIN_DATA, else it is downloaded (0.1 MB)
    """
    files = {
        "MUTAG_A.txt": "b5cabc1d3779d78c11b7e13a4f7476b176a25d0d",
        "MUTAG_graph_indicator.txt": "74f6d678d71ce8dba6f46f7ead258d8a0e5eb8bd",
        "MUTAG_graph_labels.txt": "cd9a9c8228cd1ae63df2dd0570f026cb37e1c472",
        "MUTAG_node_labels.txt": "cc11ed9757bb51b132cef754a7f32624ffb7d236",
    }
    return _graphs("MUTAG", files, "0.1 MB", Classes(("not mutagenic", "mutagenic")), root, attributes=False)


@data("proteins", within=WholeGraphs)
def proteins(*, attributes: bool = False, root: PathText | None = None) -> LabelledGraphs:
    """1,113 proteins, nodes of 3 kinds (helix, sheet or turn, one-hot), whether they are enzymes.

    Source: Borgwardt et al., Protein function prediction via graph kernels, 2005; Morris et al., TUDataset, 2020,
    arXiv:2007.08663.

    Settings:
        attributes: whether the nodes have, before their kind, the length that the set gives them
        root: the folder that holds TUDataset/PROTEINS/raw; left out, $NNTRAIN_DATA, else it is downloaded (3 MB)
    """
    files = {
        "PROTEINS_A.txt": "ee53ec0da8436f73dd901605817310b5d49e3385",
        "PROTEINS_graph_indicator.txt": "b57414429ddf0e5e5a455c312215a57cd6240993",
        "PROTEINS_graph_labels.txt": "06b4e6dd3fb2878d8e9012f1f5427bd5d1c08b61",
        "PROTEINS_node_attributes.txt": "2c8d9979e3028f929d5fae0e287198312518f66d",
        "PROTEINS_node_labels.txt": "4f0beae20f4d5b668eae4a98488e4360b112968d",
    }
    return _graphs("PROTEINS", files, "3 MB", Classes(("enzyme", "not an enzyme")), root, attributes)


@data("tu_dataset", within=WholeGraphs)
def tu_dataset(*, name: str, attributes: bool = False, root: PathText | None = None) -> LabelledGraphs:
    """Any set of TU Dortmund's collection by its name, such as ENZYMES, NCI1 or IMDB-BINARY, with a class each graph.

    A node has the one-hot code of its kind, where the set says kinds, and else a 1.
    Source: Morris et al., TUDataset, 2020, arXiv:2007.08663, chrsmrrs.github.io/datasets.

    Settings:
        name: which set, as the collection spells it
        attributes: whether the nodes have, before their kind, the numbers that the set gives them
        root: the folder that holds TUDataset/NAME/raw; left out, $NNTRAIN_DATA, else it is downloaded (0.1 to 800 MB,
            its size is said)
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UnfitError(f"expected a name such as ENZYMES, found '{name}'", "name")
    url = f"{COLLECTION}/{name}.zip"
    needed = [f"{name}_{table}.txt" for table in ("A", "graph_indicator", "graph_labels")]
    raw = found_or_made(
        name, f"TUDataset/{name}/raw", needed, partial(size_of, url), partial(_download, name, url, needed), root
    )
    labels = torch.unique(_numbers(raw / f"{name}_graph_labels.txt")).tolist()
    if attributes and not (raw / f"{name}_node_attributes.txt").is_file():
        raise UnfitError(f"{name} gives its nodes no numbers; leave this setting out", "attributes")
    return _read(raw, name, Classes(tuple(map(str, labels))), attributes)


def _download(name: str, url: str, needed: Sequence[str], folder: Path) -> None:
    optional = [f"{name}_{table}.txt" for table in ("node_labels", "node_attributes")]
    files = {file: f"/{file}" for file in (*needed, *optional)}
    for file, content in archived(url, files, optional).items():
        (folder / file).write_bytes(content)


def _graphs(
    name: str, files: Mapping[str, str], size: str, classes: Classes, root: str | None, attributes: bool
) -> LabelledGraphs:
    raw = found_or_downloaded(name.lower(), f"TUDataset/{name}/raw", files, f"{URL}/{name}/raw", size, root)
    return _read(raw, name, classes, attributes)


def _read(raw: Path, name: str, classes: Classes, attributes: bool) -> LabelledGraphs:
    graph = _numbers(raw / f"{name}_graph_indicator.txt").flatten() - 1
    has_kinds = (raw / f"{name}_node_labels.txt").is_file()
    kinds = _numbers(raw / f"{name}_node_labels.txt")[:, 0] if has_kinds else torch.zeros_like(graph)
    labels = _numbers(raw / f"{name}_graph_labels.txt").flatten()
    edges = _numbers(raw / f"{name}_A.txt").T - 1
    _check(raw, graph, kinds, labels, edges, len(classes))
    features = F.one_hot(kinds - kinds.min()).float()
    if attributes:
        more = _numbers(raw / f"{name}_node_attributes.txt", np.float32)
        if len(more) != len(graph):
            raise UserError(f"{raw}: {len(graph)} nodes, but {len(more)} with attributes; fetch its files again")
        features = torch.cat((more, features), dim=1)
    found = Graphs.of(features, edges[:, edges[0] != edges[1]], graph)
    return LabelledGraphs(name.lower(), found, torch.unique(labels, return_inverse=True)[1], classes)


def _numbers(path: Path, dtype: Any = np.int64) -> Tensor:
    """The rows of a text file of numbers between commas."""
    try:
        return torch.from_numpy(np.loadtxt(path, dtype=dtype, delimiter=",", ndmin=2))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not read: {error}; fetch it again") from None


def _check(raw: Path, graph: Tensor, kinds: Tensor, labels: Tensor, edges: Tensor, classes: int) -> None:
    """UserError where the files do not belong together."""
    whole = len(graph) == len(kinds) > 0 and len(edges) == 2 and edges.numel() > 0
    fits = whole and bool((graph.diff() >= 0).all()) and len(torch.unique(graph)) == len(labels) == int(graph[-1]) + 1
    inside = fits and 0 <= int(edges.min()) <= int(edges.max()) < len(graph)
    if not inside or bool((graph[edges[0]] != graph[edges[1]]).any()) or len(torch.unique(labels)) != classes:
        raise UserError(f"{raw}: its files do not fit together; fetch them again")
