"""Tables that are not here: what is said before they are downloaded, and that only whole ones are kept."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pytest
import sklearn.datasets
import torch
from sklearn.utils import Bunch

from conftest import SHARED_DATA
from nntrain.data import public_files
from nntrain.data.uci import FILES, SETS, SPLITS, uci
from nntrain.errors import UserError
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
HOUSING = Bunch(data=np.random.default_rng(0).normal(size=(300, 8)), target=np.arange(300.0))
PLACES = np.random.default_rng(0).integers(0, 2, (300, 54))
COVERS = Bunch(data=PLACES.astype(float), target=np.arange(300) % 7 + 1)
SETS_TO_FETCH = {"california_housing": (HOUSING, "0.4 MB"), "covtype": (COVERS, "11 MB")}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no data elsewhere, and no network."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tmp_path / "cache" / "nntrain" / "data"


def fit(command: Command, write: Callable[..., Path], data: str) -> Any:
    write(f"data: {data}\nmodel: linear\n")
    return command("fit", "my.yaml", "trainer.length=1 steps")


@pytest.mark.parametrize("name", SETS_TO_FETCH)
def test_it_is_said_what_and_how_much_and_a_second_run_needs_no_network(
    command: Command, write: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    raw, size = SETS_TO_FETCH[name]
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.datasets, f"fetch_{name}", lambda **_: raw)
        first = fit(command, write, name)
    assert first.status == 0, first.err
    assert first.err.startswith(f"downloading {name} ({size}) to {cache}\n")
    second = fit(command, write, name)
    assert second.status == 0, second.err
    assert "downloading" not in second.err
    assert [path.name for path in cache.iterdir()] == [name]


@pytest.mark.parametrize("name", SETS_TO_FETCH)
def test_a_download_that_breaks_off_leaves_nothing(
    command: Command, write: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def broken(*, data_home: str, **_: object) -> None:
        (Path(data_home) / "half").write_bytes(b"half")
        raise OSError("the connection was lost")

    monkeypatch.setattr(sklearn.datasets, f"fetch_{name}", broken)
    refused = fit(command, write, name)
    assert refused.status == 2
    assert f"{name} could not be downloaded (the connection was lost)" in refused.err
    assert list(cache.rglob("*")) == []


def test_a_damaged_table_is_named(command: Command, write: Callable[..., Path], cache: Path) -> None:
    write("half", str(cache / "covtype" / "table.safetensors"))
    refused = fit(command, write, "covtype")
    assert refused.status == 2
    assert "table.safetensors is not read" in refused.err and "remove it" in refused.err


def test_flags_of_covtype_are_not_scaled(
    command: Command, write: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nntrain.data.in_memory import InMemory
    from nntrain.data.scikit_learn_downloads import covtype

    monkeypatch.setattr(sklearn.datasets, "fetch_covtype", lambda **_: COVERS)
    train = InMemory(covtype, torch.device("cpu"), None).train.inputs
    assert train.shape[1] == 54
    assert set(train[:, 10:].unique().tolist()) == {0.0, 1.0}
    assert train[:, :10].mean(dim=0).abs().max() < 1e-5


@pytest.fixture
def openml(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """OpenML's answers as scikit-learn's own tests have recorded them."""
    recorded = pytest.importorskip("sklearn.datasets.tests.test_openml")

    def answer(number: int) -> None:
        recorded._monkey_patch_webbased_functions(monkeypatch, number, False)
        monkeypatch.setattr("nntrain.data.openml.urlopen", lambda url, timeout: _opened(url))

    def _opened(url: str) -> Any:
        from sklearn.datasets import _openml

        return _openml.urlopen(Request(url))

    return answer


def test_openml_by_number(
    command: Command,
    write: Callable[..., Path],
    cache: Path,
    tmp_path: Path,
    openml: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Penguins: two columns of categories, numbers, some of each missing; classes that OpenML names."""
    with monkeypatch.context():
        openml(42585)
        said = fit(command, write, "{type: openml, id: 42585}")
    assert said.status == 0, said.err
    assert f"downloading openml 42585 (344 rows of 7 columns) to {cache}" in said.err
    assert "category island (3), sex" in said.err
    assert "target   species: classes" in said.err
    again = command("fit", "my.yaml", "optimizer.lr=0.05", "--json")
    assert "downloading" not in again.err
    assert again.json["dev"]["error_rate"] < 0.1
    table = (cache / "openml" / "42585" / "table.csv").read_text().splitlines()
    assert table[0].split(",")[-1] == "species"
    assert len(table) == 345
    new = write("\n".join(line.rpartition(",")[0] for line in table[:4]), "new.csv")
    rows = [json.loads(line) for line in command("predict", again.json["run"], new).out.splitlines()]
    assert [row["class"] for row in rows] == [line.rpartition(",")[2] for line in table[1:4]]
    other = command("fit", "my.yaml", "data.target=culmen_depth_mm", "data.columns={sex: ignore}")
    assert other.status == 2  # some depths are missing
    assert "table.csv:5:3: culmen_depth_mm: there is no value" in other.err


def test_openml_values_and_columns_of_text(
    command: Command, write: Callable[..., Path], openml: Callable[[int], None]
) -> None:
    openml(561)
    said = fit(command, write, "{type: openml, id: 561}")
    assert said.status == 0, said.err
    assert "target   class: values" in said.err
    openml(40945)
    refused = fit(command, write, "{type: openml, id: 40945}")
    assert refused.status == 2
    assert "openml 40945: STRING attributes are not supported" in refused.err


def test_uci_is_downloaded_whole_or_not_at_all(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SETS["yacht"][0]
    contents = {name: f"{i} {i}\n".encode() for i, name in enumerate(FILES)}
    monkeypatch.setattr(public_files, "fetched", lambda url: contents[url.rpartition("/")[2]])
    with pytest.raises(UserError, match="its files are not the published ones"):
        uci(name="yacht")
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    ids = "".join(public_files.git_id_of(content) for content in contents.values())
    monkeypatch.setitem(SETS, "yacht", (folder, "resistance", public_files.git_id_of(ids.encode()), "0.03 MB"))
    with pytest.raises(UserError, match="do not fit together"):
        uci(name="yacht")
    assert {path.name for path in (cache / "uci" / "yacht" / "data").iterdir()} == set(FILES)


@pytest.mark.parametrize("name", SETS)
def test_uci_tables_are_the_published_ones(name: Any) -> None:
    root = SHARED_DATA / "uci" / SETS[name][0] / "data"
    if not root.is_dir():
        pytest.skip(f"needs {root}")
    ids = "".join(public_files.git_id_of((root / file).read_bytes()) for file in FILES)
    assert public_files.git_id_of(ids.encode()) == SETS[name][2]
    rows, features = {
        "boston": (506, 13),
        "concrete": (1030, 8),
        "energy": (768, 8),
        "kin8nm": (8192, 8),
        "yacht": (308, 6),
    }[name]
    table = np.loadtxt(root / "data.txt")
    for fold in (0, SPLITS - 1):
        source = uci(name=name, fold=fold, root=str(SHARED_DATA))
        assert source.test is not None
        test = source.test()
        assert source.inputs.features == features
        assert len(source.train) + len(test) == rows
        numbers = np.loadtxt(root / f"index_test_{fold}.txt", dtype=int)
        assert test.inputs.tolist() == table[numbers, :features].tolist()
        assert test.targets.flatten().tolist() == table[numbers, features].tolist()


def test_uci_is_found_where_the_user_says(command: Command, write: Callable[..., Path]) -> None:
    if not (SHARED_DATA / "uci").is_dir():
        pytest.skip(f"needs uci under {SHARED_DATA}")
    data = f"{{type: uci, name: energy, fold: 3, root: {os.fspath(SHARED_DATA)}}}"
    assert fit(command, write, data).status == 0
    refused = fit(command, write, f"{{type: uci, name: energy, fold: 20, root: {SHARED_DATA}}}")
    assert refused.status == 2
    assert "expected a whole number at least 0 and at most 19, found 20" in refused.err
    refused = fit(command, write, "{type: uci, name: energy, root: .}")
    assert refused.status == 2
    assert "holds no uci/energy/data with the files of uci energy" in refused.err
