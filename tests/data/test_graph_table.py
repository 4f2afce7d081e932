"""The user's own graphs in tables, by the command line."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data.graph_table import GraphTable
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
CONFIG = """
data: {type: graph_table, path: graphs.csv, nodes: nodes.csv, edges: edges.csv, batch_size: 8}
model: {type: gnn, layer: gin, hidden: [16]}
optimizer: {type: adam, lr: 0.02}
trainer: {length: 30 epochs, threads: 1}
"""


def tables(kinds: Sequence[str], prefix: str = "g") -> dict[str, list[str]]:
    """Stars and rings of four to seven nodes, whose features do not say which they are."""
    found = {"graphs": ["graph,label"], "nodes": ["graph,id,size"], "edges": ["graph,source,target"]}
    for i, kind in enumerate(kinds):
        count = 4 + i % 4
        found["graphs"].append(f"{prefix}{i},{kind}")
        found["nodes"] += [f"{prefix}{i},{'abcdefg'[n]},1" for n in range(count)]
        links = [(0, n) for n in range(1, count)] if kind == "star" else [(n, (n + 1) % count) for n in range(count)]
        found["edges"] += [f"{prefix}{i},{'abcdefg'[a]},{'abcdefg'[b]}" for a, b in links]
    return found


@pytest.fixture
def config(write: Write) -> Path:
    for name, rows in tables(["star", "ring"] * 24).items():
        write("\n".join(rows), f"{name}.csv")
    return write(CONFIG)


def test_trained_measured_and_applied_after_the_tables_are_gone(
    command: Command, config: Path, write: Write, tmp_path: Path
) -> None:
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    facts = command("data", config, "--json").json
    assert facts["splits"]["train"]["lengths"] == {"least": 4, "median": 5, "greatest": 7}
    assert [row["name"] for row in facts["splits"]["train"]["inputs"]] == ["size"]
    measured = command("eval", fitted.json["run"], "--split", "test", "--json").json
    assert measured["metrics"]["accuracy"] == 1
    shutil.copy(fitted.json["best"]["checkpoint"], tmp_path / "model.safetensors")
    shutil.rmtree(tmp_path / "runs")
    for name in ("graphs", "nodes", "edges"):
        (tmp_path / f"{name}.csv").unlink()
    new = tables(["ring", "star", "star"], "new")
    nodes = [*new["nodes"], "odd,a,1", "odd,a,1", "text,a,big", ",a,1"]
    write("\n".join(nodes), "n.csv")
    write("\n".join([*new["edges"], "lost,a,b", "odd,a,a"]), "e.csv")
    said = command("predict", "model.safetensors", "e.csv", "n.csv")
    assert said.status == 1
    assert [(row["file"], row["graph"], row["class"]) for row in map(json.loads, said.out.splitlines())] == [
        ("n.csv", "new0", "ring"),
        ("n.csv", "new1", "star"),
        ("n.csv", "new2", "star"),
    ]
    assert said.err.splitlines() == [
        "n.csv:18: 'a' is there already, in row 17",
        "n.csv:19:3: size: 'big' is not a finite number",
        "n.csv:20: there is no graph",
        "n.csv has no node of the graph 'lost'",
    ]


def test_the_graphs_are_those_of_the_tables(write: Write) -> None:
    paths = {
        "path": str(write("graph,label\ny,1\nx,0\nz,1\n", "graphs.csv")),
        "nodes": str(write("id,graph,u,v\na,x,1,2\nb,x,3,4\na,y,5,6\nq,z,7,8\n", "nodes.csv")),
        "edges": str(write("source,target,graph\nb,a,x\nq,q,z\n", "edges.csv")),
    }
    found = GraphTable(**paths).read(None)
    assert found.graphs.sizes.tolist() == [1, 2, 1] and found.labels.tolist() == [1, 0, 1]
    batch = found.graphs.side_by_side(torch.tensor([1, 0]))
    assert batch.features.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert sorted(map(tuple, batch.edges.T.tolist())) == [(0, 1), (1, 0)]
    one_way = GraphTable(**paths, directed=True).read(None)
    assert one_way.graphs.side_by_side(torch.tensor([1])).edges.tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("edges.csv", "g1,a,b", "g1,a,z", "edges.csv:5: there is no node whose id is 'z'"),
        ("edges.csv", "g1,a,b", "g99,a,b", "edges.csv:5: there is no graph 'g99' in "),
        ("edges.csv", "source", "from", "data.ends: "),
        ("nodes.csv", "g1,a,1", "g1,a,one", "nodes.csv:6:3: size: 'one' is not a finite number"),
        ("nodes.csv", "g1,a,1", "g1,b,1", "nodes.csv:7: 'b' is there already, in row 6"),
        ("nodes.csv", ",size", "", "nodes.csv:2: 3 values, but there are 2 columns"),
        ("graphs.csv", "g3,ring", "g3,", "graphs.csv:5:2: label: there is no value"),
        ("graphs.csv", "g3,ring", "g2,ring", "graphs.csv:5: 'g2' is there already, in row 4"),
        ("graphs.csv", "g3,ring", "more,ring", "has no node of the graph 'more'"),
        ("graphs.csv", "ring", "star", "graphs.csv: label is 'star' in every row"),
    ],
)
def test_what_is_wrong_is_named(
    command: Command, config: Path, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    path = tmp_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    if said.startswith("has no node"):
        for name in ("nodes.csv", "edges.csv"):
            kept = [line for line in (tmp_path / name).read_text().splitlines() if not line.startswith("g3,")]
            (tmp_path / name).write_text("\n".join(kept))
    refused = command("check", config)
    assert refused.status == 2
    assert said in refused.err
    assert "my.yaml:2:" in refused.err
