"""Whole graphs: side by side, from text files, divided in folds."""

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data import public_files, tu_graphs
from nntrain.data.division import Stratified
from nntrain.data.graphs import Graphs, LabelledGraphs, WholeGraphs
from nntrain.data.public_files import git_id_of
from nntrain.data.split import SplitSettings, divide_all
from nntrain.data.tu_graphs import mutag, proteins
from nntrain.errors import UnfitError, UserError
from nntrain.specs import Classes

CPU = torch.device("cpu")


def three() -> Graphs:
    """Graphs of 2, 1 and 3 nodes; the edges come in any order, the second graph has none."""
    edges = torch.tensor([[4, 0, 3, 5], [5, 1, 4, 3]])
    return Graphs.of(torch.arange(6.0).unsqueeze(1), edges, torch.tensor([0, 0, 1, 2, 2, 2]))


def test_side_by_side() -> None:
    batch = three().side_by_side(torch.tensor([2, 1, 0, 2]))
    assert batch.sizes.tolist() == [3, 1, 2, 3]
    assert batch.features.flatten().tolist() == [3, 4, 5, 2, 0, 1, 3, 4, 5]
    pairs = set(zip(*batch.edges.tolist(), strict=True))
    assert pairs == {(1, 2), (0, 1), (2, 0), (4, 5), (7, 8), (6, 7), (8, 6)}


def test_a_graph_without_edges_stands_alone() -> None:
    batch = three().side_by_side(torch.tensor([1]))
    assert (batch.features.tolist(), batch.edges.shape, batch.sizes.tolist()) == ([[2.0]], (2, 0), [1])


@pytest.mark.parametrize(
    ("load", "name", "graphs", "features", "nodes", "edges", "classes"),
    [(mutag, "MUTAG", 188, 7, 3371, 7442, [63, 125]), (proteins, "PROTEINS", 1113, 3, 43471, 162088, [663, 450])],
)
def test_the_real_sets_are_as_torch_geometric_reads_them(
    shared_data: Path, tmp_path: Path, load: Any, name: str, graphs: int, features: int, nodes: int, edges: int,
    classes: list[int],
) -> None:  # fmt: skip
    from nntrain.geometric import geometric

    found = load(root=str(shared_data))
    assert found.labels.bincount().tolist() == classes
    assert found.graphs.features.shape == (nodes, features)
    assert found.graphs.edges.shape == (2, edges)
    assert len(found.graphs.sizes) == graphs
    shutil.copytree(shared_data / "TUDataset" / name, tmp_path / name)
    theirs = geometric("datasets").TUDataset(tmp_path, name)
    for number in (0, 1, 100, graphs - 1):
        ours, their = found.graphs.side_by_side(torch.tensor([number])), theirs[number]
        torch.testing.assert_close(ours.features, their.x)
        pairs = [set(zip(*e.tolist(), strict=True)) for e in (ours.edges, their.edge_index)]
        assert pairs[0] == pairs[1]
        assert int(found.labels[number]) == int(their.y)


def test_proteins_may_have_their_attribute(shared_data: Path) -> None:
    found = proteins(root=str(shared_data), attributes=True)
    assert found.graphs.features.shape == (43471, 4)
    assert found.graphs.features[0].tolist() == [23.0, 1.0, 0.0, 0.0]


@pytest.fixture
def copied(shared_data: Path, tmp_path: Path) -> Path:
    shutil.copytree(shared_data / "TUDataset" / "MUTAG", tmp_path / "data" / "TUDataset" / "MUTAG")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("A", lambda text: "<html>", "is not read"),
        ("A", lambda text: "1, 3371\n" + text, "do not fit together"),
        ("A", lambda text: "1, 9999\n" + text, "do not fit together"),
        ("A", lambda text: "", "do not fit together"),
        ("graph_labels", lambda text: text[:-3], "do not fit together"),
        ("graph_labels", lambda text: text.replace("-1", "1"), "do not fit together"),
        ("graph_indicator", lambda text: text[2:], "do not fit together"),
        ("node_labels", lambda text: "0\n" + text, "do not fit together"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*input contained no data")
def test_files_that_do_not_fit_are_refused(copied: Path, file: str, change: Any, reason: str) -> None:
    path = copied / "TUDataset" / "MUTAG" / "raw" / f"MUTAG_{file}.txt"
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=reason) as error:
        mutag(root=str(copied))
    assert str(path.parent) in str(error.value)


def test_the_ids_by_which_downloads_are_checked_are_the_files(shared_data: Path) -> None:
    source = Path(mutag.__globals__["__file__"]).read_text()
    for path in [*(shared_data / "TUDataset").glob("*/raw/*_[Agn]*.txt")]:
        assert git_id_of(path.read_bytes()) in source, path.name


def many() -> LabelledGraphs:
    """40 graphs of one node, whose feature is their number; 3 of 4 are of one class."""
    numbers = torch.arange(40)
    graphs = Graphs.of(numbers.float().unsqueeze(1), torch.zeros(2, 0, dtype=torch.long), numbers)
    return LabelledGraphs("many", graphs, (numbers % 4 == 0).long(), Classes(("no", "yes")))


def numbers_of(data: WholeGraphs, part: str) -> list[int]:
    split = data.split(part)
    return [] if split is None else [int(n) for batch in split.in_order() for n in batch.inputs.features.flatten()]


def test_graphs_are_divided_and_every_class_has_its_share() -> None:
    data = WholeGraphs(many, CPU, None, batch_size=8, split=SplitSettings(dev=0.1, test=0.2))
    parts = {name: numbers_of(data, name) for name in ("train", "dev", "test")}
    assert sorted(n for part in parts.values() for n in part) == list(range(40))
    assert {name: len(part) for name, part in parts.items()} == {"train": 28, "dev": 4, "test": 8}
    assert sum(n % 4 == 0 for n in parts["test"]) == 2
    (batch,) = next(data.train.stream([[torch.tensor([3, 0])]]))
    assert batch.inputs.features.flatten().tolist() == [parts["train"][3], parts["train"][0]]
    assert batch.targets.tolist() == [int(parts["train"][i] % 4 == 0) for i in (3, 0)]
    assert len(data.train.sample(5, seed=0)) == 5


def test_folds_share_out_all_examples_once() -> None:
    """Ten folds of the classes' shares, as in the published protocol: scikit-learn's, with the split's seed."""
    from sklearn.model_selection import StratifiedKFold

    labels = many().labels
    tested = []
    theirs = StratifiedKFold(10, shuffle=True, random_state=0).split(labels, labels)
    for fold, (_, expected) in enumerate(theirs):
        train, dev, test = divide_all(Stratified(labels), SplitSettings(folds=10, fold=fold, dev=0.1))
        assert test.tolist() == expected.tolist()
        assert len(dev) == 4
        assert sorted([*train.tolist(), *dev.tolist(), *test.tolist()]) == list(range(40))
        tested += test.tolist()
    assert sorted(tested) == list(range(40))


@pytest.mark.parametrize(
    ("settings", "reason", "setting"),
    [
        ({"fold": 1}, "no fold without split.folds", "fold"),
        ({"folds": 4, "fold": 4}, "of 4 folds the last is 3, found 4", "fold"),
        ({"folds": 4, "test": 0.2}, "with folds the test set is one of them", "test"),
        ({"folds": 41}, "40 examples cannot be dealt out to 41 folds", "folds"),
    ],
)
def test_folds_that_cannot_be_are_refused(settings: dict[str, Any], reason: str, setting: str) -> None:
    with pytest.raises(UnfitError, match=reason) as error:
        divide_all(Stratified(many().labels), SplitSettings(**settings))
    assert error.value.path == ("split", setting)


def test_a_set_of_the_collection_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two graphs of three and two nodes, one without kinds; from an archive as the collection has them."""
    tables = {
        "A": "1, 2\n2, 1\n2, 3\n3, 2\n4, 5\n5, 4\n",
        "graph_indicator": "1\n1\n1\n2\n2\n",
        "graph_labels": "-1\n1\n",
        "node_attributes": "0.5\n1.5\n2.5\n3.5\n4.5\n",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for table, text in tables.items():
            archive.writestr(f"TINY/TINY_{table}.txt", text)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    monkeypatch.setattr(tu_graphs, "size_of", lambda url: "0.1 MB")
    monkeypatch.setattr(public_files, "fetched", {f"{tu_graphs.COLLECTION}/TINY.zip": file.getvalue()}.__getitem__)
    found = tu_graphs.tu_dataset(name="TINY")
    assert found.graphs.sizes.tolist() == [3, 2] and found.graphs.degrees.tolist() == [4, 2]
    assert found.graphs.features.tolist() == [[1]] * 5
    assert found.labels.tolist() == [0, 1] and found.classes.names == ("-1", "1")
    assert "downloading TINY (0.1 MB) to" in capsys.readouterr().err
    with_numbers = tu_graphs.tu_dataset(name="TINY", attributes=True)
    assert with_numbers.graphs.features[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    (tmp_path / "nntrain/data/TUDataset/TINY/raw/TINY_node_attributes.txt").unlink()
    for settings, setting in (({"name": "TINY", "attributes": True}, "attributes"), ({"name": "../x"}, "name")):
        with pytest.raises(UnfitError) as refused:
            tu_graphs.tu_dataset(**settings)  # type: ignore[arg-type]
        assert refused.value.path == (setting,)


def test_a_set_by_its_name_is_the_one_with_a_name_of_its_own(shared_data: Path) -> None:
    by_name, own = tu_graphs.tu_dataset(name="MUTAG", root=str(shared_data)), mutag(root=str(shared_data))
    assert all(torch.equal(a, b) for a, b in zip(by_name.graphs, own.graphs, strict=True))
    assert torch.equal(by_name.labels, own.labels) and by_name.classes.names == ("-1", "1")
