"""Sets of the Open Graph Benchmark: found by the package's list, read from raw files as they are published."""

import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data import ogb, public_files
from nntrain.data.ogb import ogb_graphs, ogb_nodes
from nntrain.errors import UnfitError, UserError
from nntrain.sparse import Sparse

Command = Callable[..., Any]
NODES = """,ogbn-proteins,ogbn-arxiv,ogbn-mag
num tasks,112,1,1
num classes,2,3,349
task type,binary classification,multiclass classification,multiclass classification
url,http://x/p.zip,http://x/arxiv.zip,http://x/mag.zip
has_node_attr,False,True,True
split,species,time,time
is hetero,False,False,True
binary,False,False,False
"""
GRAPHS = """,ogbg-molhiv,ogbg-molesol,ogbg-ppa
num tasks,1,1,1
url,http://x/hiv.zip,http://x/esol.zip,http://x/ppa.zip
data type,mol,mol,
has_node_attr,True,True,False
task type,binary classification,regression,multiclass classification
num classes,2,-1,2
split,scaffold,scaffold,species
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that lists some sets, and must not be imported."""
    for kind, table in (("nodeproppred", NODES), ("graphproppred", GRAPHS)):
        folder = tmp_path / "site" / "ogb" / kind
        folder.mkdir(parents=True)
        (folder / "master.csv").write_text(table)
    (tmp_path / "site" / "ogb" / "__init__.py").write_text("raise AssertionError('it was imported')\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "ogb", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)


def put(folder: Path, **tables: str) -> Path:
    for name, text in tables.items():
        path = folder / f"{name.replace('__', '/').replace('_', '-')}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
    return folder


def arxiv(root: Path, **changed: str) -> Path:
    """Six papers of three kinds in a chain."""
    tables = {
        "raw__edge": "0,1\n1,2\n2,3\n3,4\n4,5\n",
        "raw__node_feat": "".join(f"{i},{-i / 2}\n" for i in range(6)),
        "raw__node_label": "0\n1\n2\n0\n1\n2\n",
        "split__time__train": "0\n1\n2\n",
        "split__time__valid": "3\n",
        "split__time__test": "5\n4\n",
    }
    return put(root / "ogbn_arxiv", **{**tables, **changed})


def hiv(root: Path, **changed: str) -> Path:
    """Four molecules of one to four atoms, each a chain."""
    tables = {
        "raw__edge": "0,1\n0,1\n1,2\n0,1\n1,2\n2,3\n",
        "raw__num_node_list": "1\n2\n3\n4\n",
        "raw__num_edge_list": "0\n1\n2\n3\n",
        "raw__node_feat": "".join(f"{i},0,4,5,3,0,2,0,{i % 2}\n" for i in range(10)),
        "raw__graph_label": "0\n1\n0\n1\n",
        "split__scaffold__train": "3\n0\n",
        "split__scaffold__valid": "1\n",
        "split__scaffold__test": "2\n",
    }
    return put(root / "ogbg_molhiv", **{**tables, **changed})


def test_nodes(tmp_path: Path) -> None:
    arxiv(tmp_path)
    graph = ogb_nodes(root=str(tmp_path))
    assert not isinstance(graph.features, Sparse)
    assert graph.features.tolist() == [[i, -i / 2] for i in range(6)]
    assert graph.labels.tolist() == [0, 1, 2, 0, 1, 2] and graph.classes.names == ("0", "1", "2")
    assert {name: part.tolist() for name, part in graph.parts.items()} == {
        "train": [0, 1, 2],
        "dev": [3],
        "test": [5, 4],
    }
    chain = [(i, i + 1) for i in range(5)]
    assert sorted(map(tuple, graph.edges.T.tolist())) == sorted([*chain, *((b, a) for a, b in chain)])
    one_way = ogb_nodes(root=str(tmp_path), directed=True)
    assert list(map(tuple, one_way.edges.T.tolist())) == chain


def test_graphs(tmp_path: Path) -> None:
    hiv(tmp_path)
    found = ogb_graphs(root=str(tmp_path))
    assert found.graphs.sizes.tolist() == [1, 2, 3, 4] and found.graphs.degrees.tolist() == [0, 2, 4, 6]
    assert found.graphs.features.shape == (10, 174) and bool((found.graphs.features.sum(dim=1) == 9).all())
    assert found.graphs.features[:, :119].argmax(dim=1).tolist() == list(range(10))
    last = found.graphs.side_by_side(torch.tensor([3]))
    assert sorted(map(tuple, last.edges.T.tolist())) == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)]
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.parts is not None and found.parts["train"].tolist() == [3, 0]


@pytest.mark.parametrize(
    ("data", "make", "model", "inputs"),
    [
        ("ogb_nodes", arxiv, "{type: gnn, hidden: [4]}", "nodes of a graph with 2 features"),
        ("ogb_graphs", hiv, "{type: gnn, hidden: [4]}", "graphs with 174 features a node"),
    ],
)
def test_a_network_trains_on_the_official_parts(
    command: Command,
    write: Callable[..., Path],
    tmp_path: Path,
    data: str,
    make: Callable[[Path], Path],
    model: str,
    inputs: str,
) -> None:
    make(tmp_path)
    config = write(
        f"data: {{type: {data}, root: .}}\nmodel: {model}\ntrainer: {{length: 2 epochs, preflight: false}}\n"
    )
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    measured = command("eval", fitted.json["run"], "--split", "test", "--json").json
    assert measured["examples"] == (2 if data == "ogb_nodes" else 1)
    facts = command("data", config, "--json").json
    assert facts["inputs"].startswith(inputs)
    if data == "ogb_graphs":
        refused = command("check", config, "data.split.dev=0.5")
        assert refused.status == 2 and "ogbg-molhiv has a dev set of its own" in refused.err


@pytest.mark.parametrize(
    ("read", "name", "reason"),
    [
        (ogb_nodes, "ogbn-arxive", "there is no set 'ogbn-arxive'; did you mean 'ogbn-arxiv'?"),
        (ogb_nodes, "ogbn-proteins", "ogbn-proteins is for binary classification of 112 targets"),
        (ogb_nodes, "ogbn-mag", "ogbn-mag is no graph of one kind of nodes"),
        (ogb_graphs, "ogbg-molesol", "ogbg-molesol is for regression of 1 targets"),
    ],
)
def test_sets_that_cannot_be_read_are_refused(read: Any, name: str, reason: str) -> None:
    with pytest.raises(UnfitError) as refused:
        read(name=name)
    assert reason in str(refused.value)
    assert refused.value.path == ("name",)


@pytest.mark.parametrize(
    ("make", "changed", "reason"),
    [
        (arxiv, {"raw__edge": "0,9\n"}, "its files do not fit together"),
        (arxiv, {"raw__edge": "0,x\n"}, r"edge\.csv\.gz is not read"),
        (arxiv, {"split__time__valid": "77\n"}, "its parts name examples that are not there"),
        (hiv, {"raw__num_edge_list": "0\n1\n2\n4\n"}, "its files do not fit together"),
        (hiv, {"raw__node_feat": "1,2\n" * 10}, "expected 9 properties of each atom"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, make: Any, changed: dict[str, str], reason: str) -> None:
    make(tmp_path, **changed)
    with pytest.raises(UserError, match=reason):
        (ogb_nodes if make is arxiv else ogb_graphs)(root=str(tmp_path))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ogb, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"known to a package: pip install ogb"):
        ogb_nodes()


def test_a_set_is_downloaded_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.BytesIO()
    made = hiv(tmp_path / "made")
    with zipfile.ZipFile(file, "w") as archive:
        for path in made.rglob("*.gz"):
            archive.write(path, Path("hiv") / path.relative_to(made))
    whole = file.getvalue()
    answers = [whole[: len(whole) // 2], whole]
    monkeypatch.setattr(ogb, "size_of", lambda url: "3 MB")
    monkeypatch.setattr(public_files, "fetched", lambda url: answers.pop(0))
    with pytest.raises(UserError, match="could not be downloaded"):
        ogb_graphs()
    assert len(ogb_graphs().labels) == 4 == len(ogb_graphs().labels)
    assert answers == []
    assert capsys.readouterr().err.count("downloading ogbg-molhiv (3 MB) to ") == 2
