"""The user's own graph as two tables, by the command line."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data.graph_files import Graph
from nntrain.data.split import SplitSettings

Command = Callable[..., Any]
CONFIG = """
data: {type: graph, nodes: nodes.csv, edges: edges.csv}
model: {type: gnn, hidden: [8]}
trainer: {length: 60 epochs, threads: 1}
"""


def nodes(count: int = 40, *, part: bool = False) -> str:
    """Two circles of nodes; features that do not say which."""
    names = ("train", "dev", "test", "")
    parts = [f",{names[i // 2 % 4]}" if part else "" for i in range(count)]
    rows = [f"n{i},{'ab'[i % 2]},{i * 37 % 11},{i * 17 % 5}{parts[i]}" for i in range(count)]
    return "\n".join(["id,label,size,age" + (",part" if part else ""), *rows]) + "\n"


def edges(count: int = 40) -> str:
    return "\n".join(
        ["source,target", *(f"n{i},n{(i + 2 * step) % count}" for i in range(count) for step in (1, 2, 3))]
    )


@pytest.fixture
def config(write: Callable[..., Path]) -> Path:
    write(nodes(), "nodes.csv")
    write(edges(), "edges.csv")
    return write(CONFIG)


def test_trained_measured_and_applied_after_the_tables_are_gone(
    command: Command, config: Path, write: Callable[..., Path], tmp_path: Path
) -> None:
    fitted = command("fit", config, "--json")
    assert fitted.status == 0, fitted.err
    measured = command("eval", fitted.json["run"], "--split", "test", "--json").json
    assert measured["examples"] == 6
    assert measured["metrics"]["accuracy"] > 0.8
    assert len(command("predict", fitted.json["run"], "--split", "test").out.splitlines()) == 6
    shutil.copy(fitted.json["best"]["checkpoint"], tmp_path / "model.safetensors")
    shutil.rmtree(tmp_path / "runs")
    for name in ("nodes.csv", "edges.csv"):
        (tmp_path / name).unlink()
    # The graph in other tables: columns and rows in another order, without labels.
    names, *rows = [row.split(",") for row in nodes().splitlines()]
    rows = [names, *reversed(rows)]
    write("\n".join(f"{age},{name},{size}" for name, _, size, age in rows), "new_nodes.csv")
    write(edges(), "new_edges.csv")
    called = command("predict", "model.safetensors", "new_edges.csv", "new_nodes.csv", "--out", "answers.csv")
    assert called.status == 0, called.err
    with (tmp_path / "answers.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [(row["file"], row["row"], row["id"]) for row in found] == [
        ("new_nodes.csv", str(41 - i), f"n{i}") for i in reversed(range(40))
    ]
    assert sum(row["class"] == "ab"[int(row["id"][1:]) % 2] for row in found) > 30


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"n.csv": "id,size,age\nx,1,2\ny,1,2\n", "e.csv": "source,target\nx,z\n"},
            "e.csv:2: there is no node whose id",
        ),
        ({"n.csv": "id,size,age\nx,1,2\ny,1,old\n", "e.csv": "source,target\nx,y\n"}, "n.csv:3:3: age: 'old' is not"),
        ({"n.csv": "id,size\nx,1\n", "e.csv": "source,target\nx,x\n"}, "n.csv has no column age"),
        ({"n.csv": "id,size,age\nx,1,2\n"}, "expected a table of nodes and one of edges, with the columns source and"),
        ({"n.csv": "", "e.csv": "source,target\nx,x\n"}, "n.csv is empty"),
    ],
    ids=["no node", "text", "no column", "one table", "empty"],
)
def test_graphs_that_cannot_be_read_are_named(
    command: Command, config: Path, write: Callable[..., Path], tables: dict[str, str], said: str
) -> None:
    run = command("fit", config, "trainer.length=1 epochs", "--json").json["run"]
    for name, text in tables.items():
        write(text, name)
    failed = command("predict", run, *tables)
    assert (failed.status, failed.out) == (1, "")
    assert said in failed.err


def test_nodes_that_are_told_apart_are_known_again(command: Command, write: Callable[..., Path]) -> None:
    """Nodes without features: those without a label are answered too, and strangers are not."""
    rows = [f"n{i},{'ab'[i % 2] if i < 30 else ''}" for i in range(40)]
    write("\n".join(["id,label", *rows]), "nodes.csv")
    write(edges(), "edges.csv")
    run = command("fit", write(CONFIG), "--json").json["run"]
    write("\n".join(["id,label", *reversed(rows)]), "again.csv")
    answers = [json.loads(line) for line in command("predict", run, "again.csv", "edges.csv").out.splitlines()]
    assert [row["id"] for row in answers] == [f"n{i}" for i in reversed(range(40))]
    assert sum(row["class"] == "ab"[int(row["id"][1:]) % 2] for row in answers) > 36
    write("id\nn1\nstranger\n", "other.csv")
    write("source,target\nn1,stranger\n", "links.csv")
    failed = command("predict", run, "other.csv", "links.csv")
    assert failed.status == 1
    assert "other.csv:3: the model knows no node 'stranger'" in failed.err


def test_the_graph_is_that_of_the_tables(write: Callable[..., Path]) -> None:
    tables = {
        "nodes": str(write("id,label,size\nx,0,1\ny,1,3\nz,,5\nw,0,3\nv,1,3\n", "nodes.csv")),
        "edges": str(write("source,target\nx,y\ny,z\n", "edges.csv")),
    }
    found = Graph(**tables, split=SplitSettings(dev=0, test=0.25)).read(None)
    assert sorted(map(tuple, found.edges.T.tolist())) == [(0, 1), (1, 0), (1, 2), (2, 1)]
    assert isinstance(found.features, torch.Tensor)
    trained = found.features[found.parts["train"]]
    torch.testing.assert_close(trained.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(trained.std(correction=0), torch.tensor(1.0))
    assert sum(map(len, found.parts.values())) == 4  # z has no label
    one_way = Graph(**tables, directed=True, standardize=False, split=SplitSettings(dev=0, test=0.25)).read(None)
    assert one_way.edges.tolist() == [[0, 1], [1, 2]]
    assert isinstance(one_way.features, torch.Tensor)
    assert one_way.features.flatten().tolist() == [1, 3, 5, 3, 3]


def test_a_column_says_the_parts(command: Command, write: Callable[..., Path]) -> None:
    write(nodes(part=True), "nodes.csv")
    write(edges(), "edges.csv")
    said = command("data", write(CONFIG), "data.part=part", "--json")
    assert said.status == 0, said.err
    splits = said.json["splits"]
    assert {name: part["examples"] for name, part in splits.items()} == {"train": 10, "dev": 10, "test": 10}


def test_nodes_without_features_are_told_apart(command: Command, write: Callable[..., Path]) -> None:
    write("id,label\n" + "".join(f"n{i},{i % 2}\n" for i in range(40)), "nodes.csv")
    write(edges(), "edges.csv")
    assert "40 features" in command("data", write(CONFIG), "--json").json["inputs"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("edges.csv", "n3,n5", "n3,nowhere", "edges.csv:11: there is no node whose id is 'nowhere'"),
        ("edges.csv", "source,target", "from,to", "edges.csv has no column 'source'"),
        ("nodes.csv", "n7,b", "n6,b", "nodes.csv:9: 'n6' is there already, in row 8"),
        ("nodes.csv", "n7,b,6", "n7,b,six", "nodes.csv:9:3: size: 'six' is not a finite number"),
        ("nodes.csv", "label", "kind", "nodes.csv has no column 'label'"),
        ("nodes.csv", ",b,", ",a,", "is 'a' in every row"),
    ],
    ids=["no node", "no ends", "twice", "text", "no label", "one class"],
)
def test_what_is_wrong_is_named(
    command: Command, config: Path, file: str, old: str, new: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    refused = command("check", config)
    assert refused.status == 2
    assert said in refused.err
    assert "my.yaml:2:" in refused.err
