"""Citation networks, read from Python 2's pickles: counts, the split, and files that are not what they should be."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nntrain.data import public_files
from nntrain.data.nodes import LabelledGraph, OnNodes
from nntrain.data.planetoid import citeseer, cora
from nntrain.data.public_files import git_id_of
from nntrain.errors import UnfitError, UserError
from nntrain.sparse import Sparse
from nntrain.specs import Classes, Nodes

CPU = torch.device("cpu")
SETS = {
    "cora": (cora, "Cora", (2708, 1433), 10556, (140, 500, 1000), [351, 217, 418, 818, 426, 298, 180]),
    "citeseer": (citeseer, "CiteSeer", (3327, 3703), 9104, (120, 500, 1000), [264, 590, 668, 701, 596, 508]),
}


@pytest.fixture(autouse=True)
def _no_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)


@pytest.fixture
def copied(shared_data: Path, tmp_path: Path) -> Path:
    """A folder of one's own with Cora in it."""
    shutil.copytree(shared_data / "Planetoid" / "Cora", tmp_path / "data" / "Planetoid" / "Cora")
    return tmp_path / "data"


@pytest.mark.parametrize("name", SETS)
def test_the_real_sets_have_their_sizes(shared_data: Path, name: str) -> None:
    load, _, shape, edges, parts, classes = SETS[name]
    graph = load(root=str(shared_data))
    dense = graph.features.dense()
    assert dense.shape == shape
    assert graph.edges.shape == (2, edges)
    assert graph.labels.bincount().tolist() == classes
    assert tuple(len(numbers) for numbers in graph.parts.values()) == parts
    assert graph.labels[graph.parts["train"]].bincount().tolist() == [20] * len(classes)
    assert set(dense.sum(dim=1).round(decimals=4).tolist()) <= {0.0, 1.0}
    assert set(load(root=str(shared_data), normalize=False).features.values.tolist()) == {1.0}


@pytest.mark.parametrize("name", SETS)
def test_the_real_sets_are_as_torch_geometric_reads_them(shared_data: Path, tmp_path: Path, name: str) -> None:
    from nntrain.geometric import geometric

    load, folder, *_ = SETS[name]
    shutil.copytree(shared_data / "Planetoid" / folder, tmp_path / folder)
    theirs, ours = geometric("datasets").Planetoid(tmp_path, folder)[0], load(root=str(shared_data), normalize=False)
    torch.testing.assert_close(ours.features.dense(), theirs.x)
    assert set(zip(*ours.edges.tolist(), strict=True)) == set(zip(*theirs.edge_index.tolist(), strict=True))
    assert torch.equal(ours.labels, theirs.y)
    for part, mask in (("train", theirs.train_mask), ("dev", theirs.val_mask), ("test", theirs.test_mask)):
        assert torch.equal(ours.parts[part], mask.nonzero().flatten())


@pytest.mark.parametrize("layer", ["gcn", "gat"])
def test_a_graph_network_never_makes_the_features_dense(
    shared_data: Path, command: Any, write: Any, monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    def dense(matrix: Sparse) -> torch.Tensor:
        raise AssertionError("zeros and all")

    monkeypatch.setattr(Sparse, "dense", dense)
    network = f"model: {{type: gnn, layer: {layer}, hidden: [8], dropout: 0.5}}"
    trainer = "trainer: {length: 4 steps, evaluate: 2 steps, preflight: false, capture: true}"
    write(f"data: {{type: cora, root: {shared_data}}}\n{network}\n{trainer}\n")
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.status == 0, fitted.err
    assert command("eval", fitted.json["run"], "--json").status == 0


def test_the_ids_by_which_downloads_are_checked_are_the_files(shared_data: Path, monkeypatch: Any) -> None:
    asked: list[tuple[str, str]] = []

    def read(url: str, target: Path, git_id: str) -> None:
        asked.append((target.name, git_id))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_data / "Planetoid" / "Cora" / "raw" / target.name, target)

    monkeypatch.setattr(public_files, "_download", read)
    assert len(cora().labels) == 2708
    raw = shared_data / "Planetoid" / "Cora" / "raw"
    assert [git_id_of((raw / name).read_bytes()) for name, _ in asked] == [git_id for _, git_id in asked]


class Hostile:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch hacked",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(Hostile(), protocol=2), "it asks for posix.system, which no such file needs"),
        (pickle.dumps(eval, protocol=2), "it asks for __builtin__.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "it asks for numpy.load"),
        (b"", "fetch it again"),
        (b"\x80\x02Nr\x00\x00\x00\x10.", "far more values"),  # the number 2^28 for nothing, and a table up to it
        (b"]" * 1_000_000 + b".", "far more values"),
        (b"<html>404</html>", "fetch it again"),
        (pickle.dumps({0: [1]}, protocol=2), "do not fit together"),
        (pickle.dumps(np.zeros(3), protocol=2), "fetch"),
    ],
)
def test_a_file_that_is_none_of_the_set_is_refused(
    copied: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    monkeypatch.chdir(copied)
    raw = copied / "Planetoid" / "Cora" / "raw"
    (raw / "ind.cora.allx").write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        cora(root=str(copied))
    assert str(raw) in str(error.value)
    assert not (copied / "hacked").exists()


@pytest.mark.parametrize(("content", "reason"), [("1 2 x", "could not convert"), ("5\n", "do not fit"), ("", "fit")])
def test_test_numbers_that_do_not_fit_are_refused(copied: Path, content: str, reason: str) -> None:
    (copied / "Planetoid" / "Cora" / "raw" / "ind.cora.test.index").write_text(content)
    with pytest.raises(UserError, match=reason):
        cora(root=str(copied))


def test_nothing_is_written_beside_the_files(copied: Path) -> None:
    before = sorted(copied.rglob("*"))
    cora(root=str(copied))
    assert sorted(copied.rglob("*")) == before


def test_a_folder_without_the_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match="holds no Planetoid/Cora/raw with the files of cora") as error:
        cora(root=str(tmp_path))
    assert error.value.path == ("root",)


def test_a_download_with_other_content_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page"
    page.write_bytes(b"<html>404</html>")
    monkeypatch.setattr(public_files, "urlopen", lambda *_, **__: page.open("rb"))
    with pytest.raises(UserError, match="its content is not the published one"):
        cora()
    assert not (tmp_path / "cache").exists()


def small() -> LabelledGraph:
    """A ring of 10 nodes."""
    numbers = torch.arange(10)
    parts = {"train": torch.tensor([1, 3, 5, 7]), "dev": torch.tensor([0, 2]), "test": torch.tensor([8, 9, 4])}
    ring = torch.stack((numbers, (numbers + 1) % 10))
    return LabelledGraph("ring", torch.eye(10), ring, numbers % 2, Classes(("even", "odd")), parts)


def test_batches_hold_the_whole_graph_and_name_their_nodes() -> None:
    data = OnNodes(small, CPU, None)
    assert (data.inputs, data.batch_size, len(data.train)) == (Nodes(10), 4, 4)
    (batch,) = next(data.train.stream([[torch.tensor([2, 0])]]))
    assert batch.inputs.features.shape == (10, 10)
    assert batch.inputs.edges.shape == (2, 10)
    assert batch.inputs.chosen.tolist() == [5, 1]
    assert batch.targets.tolist() == [1, 1]
    (all_of_test,) = data.split("test").in_order()
    assert (all_of_test.inputs.chosen.tolist(), all_of_test.targets.tolist()) == ([8, 9, 4], [0, 1, 0])


def test_every_batch_has_the_same_edges_object() -> None:
    """By which a network knows that it has seen the graph."""
    data = OnNodes(small, CPU, None)
    batches = [*next(data.train.stream([[torch.tensor([2]), torch.tensor([0])]])), *data.split("dev").in_order()]
    assert all(batch.inputs.edges is data.train.graph.edges for batch in batches)


def test_a_sample_is_a_fixed_part() -> None:
    train = OnNodes(small, CPU, None).train
    sample = train.sample(3, seed=0)
    assert len(sample) == 3
    assert set(sample.graph.chosen.tolist()) < {1, 3, 5, 7}
    assert torch.equal(sample.graph.chosen, train.sample(3, seed=0).graph.chosen)
    assert train.sample(4, seed=0) is train


def test_the_karate_club_needs_no_files() -> None:
    from nntrain.data.karate_club import karate_club

    graph = karate_club()
    assert (graph.features.shape, graph.edges.shape) == ((34, 34), (2, 156))
    assert graph.labels[graph.parts["train"]].tolist() != []
    assert sorted(graph.labels[graph.parts["train"]].tolist()) == [0, 1, 2, 3]
    assert sorted(torch.cat(list(graph.parts.values())).tolist()) == list(range(34))
