"""The user's own tables, by the command line: trained on, measured, applied to other files."""

import csv
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tables import HOUSES, flowers, houses, write_table

from conftest import ROOT
from nntrain.assemble import assemble
from nntrain.config import load
from runs import at_step, best, bits, contents, instant_disk, only_run, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
CONFIG = """data: {type: table, path: houses.csv, target: price}
model: {type: mlp, hidden: [16]}
optimizer: {type: adam, lr: 0.01}
trainer: {length: 40 epochs}
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "houses.csv", HOUSES, houses())


@pytest.fixture
def run(command: Command, write: Write, table: Path, tmp_path: Path) -> Path:
    write(CONFIG)
    fitted = command("fit", "my.yaml")
    assert fitted.status == 0, fitted.err
    return only_run(tmp_path / "runs")


def made(path: Path, *overrides: str) -> Any:
    """The data set of a config."""
    document = load(path, overrides)
    document.data.setdefault("name", "my")
    return assemble(document).data


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_table_is_trained_on_by_the_shipped_config(command: Command, table: Path) -> None:
    overrides = ("data.path=houses.csv", "data.target=price", "optimizer.lr=0.01", "trainer.length=40 epochs")
    fitted = command("fit", ROOT / "configs" / "mlp_table.yaml", *overrides, "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["dev"]["r2"] > 0.8


def test_the_columns_are_said_once_before_training(command: Command, write: Write, table: Path) -> None:
    write(CONFIG)
    said = command("fit", "my.yaml", "trainer.length=1 steps").err
    for line in ("houses.csv: 200 rows", "number   area, rooms", "boolean  garden", "category town (3)", "area 12"):
        assert said.count(line) == 1
        assert said.index(line) < said.index("training in")
    assert "target   price: values" in said


def test_missing_numbers_categories_and_scales_are_those_of_the_training_set(write: Write, table: Path) -> None:
    data = made(write(CONFIG), "data.standardize=false")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    train = {tuple(row.tolist()) for row in data.train.inputs}
    areas = [float(row["area"]) for row in rows if row["area"]]
    fill = next(column["fill"] for column in data.learned.facts["columns"] if column["name"] == "area")
    known = sorted(x[0] for x in train if x[0] != pytest.approx(fill))
    assert set(np.round(known, 1)) <= set(areas)
    assert fill == pytest.approx(np.mean(known), rel=1e-5)
    assert fill != pytest.approx(np.mean(areas), rel=1e-5)
    assert {x[2] for x in train} == {0.0, 1.0}
    assert all(sum(x[3:]) == 1 for x in train)
    assert (data.inputs.features, data.inputs.groups) == (6, (3,))


def test_flags_are_not_scaled(write: Write, table: Path) -> None:
    data = made(write(CONFIG))
    assert set(data.train.inputs[:, 3:].unique().tolist()) == {0.0, 1.0}
    assert data.train.inputs[:, :3].mean(dim=0).abs().max() < 1e-5
    assert data.learned.tensors["mean"].shape == (3,)


@pytest.mark.parametrize(("impute", "expected"), [("mean", 20 / 6), ("median", 2.5), ("most_frequent", 1)])
def test_what_stands_for_a_missing_number(write: Write, tmp_path: Path, impute: str, expected: float) -> None:
    numbers = ["1", "1", "2", "3", "4", "9", "NA"] * 10
    write_table(tmp_path / "houses.csv", ("x", "price"), [[x, str(i / 7)] for i, x in enumerate(numbers)])
    data = made(write(CONFIG), f"data.impute={impute}", "data.standardize=false", "data.split={dev: 0, test: 0.001}")
    assert data.train.inputs[6].item() == pytest.approx(expected)


def test_a_flag_may_say_that_a_number_is_missing(write: Write, table: Path) -> None:
    data = made(write(CONFIG), "data.flag_missing=true")
    assert data.inputs.groups == (1, 3)
    flags = data.train.inputs[:, 3]
    assert 0 < flags.sum() <= 12
    fills = data.train.inputs[flags == 1, 0]
    assert (fills - fills[0]).abs().max() < 1e-6


def test_classes_are_told_by_their_names_and_come_in_their_order(
    command: Command, write: Write, tmp_path: Path
) -> None:
    write_table(tmp_path / "houses.csv", ("length", "width", "kind"), flowers())
    write(CONFIG)
    fitted = command("fit", "my.yaml", "data.target=kind", "--json")
    assert fitted.json["dev"]["error_rate"] < 0.2
    assert made(tmp_path / "my.yaml", "data.target=kind").targets.names == ("iris", "lily", "rose")


@pytest.mark.parametrize(
    ("values", "pins", "expected"),
    [
        (["3", "4", "5"], {}, "3 classes"),
        (["10", "9", "1.0"], {}, "3 classes"),
        (["0", "1"], {"y": "number"}, "one value"),
        (["true", "false"], {}, "2 classes"),
        ([str(i) for i in range(21)], {}, "one value"),
        ([str(i) for i in range(21)], {"y": "category"}, "21 classes"),
        (["0.5", "1"], {}, "one value"),
        (["0.5", "1"], {"y": "category"}, "2 classes"),
    ],
)
def test_the_targets_rule(write: Write, tmp_path: Path, values: list[str], pins: dict[str, str], expected: str) -> None:
    rows = [[str(i * 0.37), values[i % len(values)]] for i in range(150)]
    write_table(tmp_path / "houses.csv", ("x", "y"), rows)
    data = made(write(CONFIG), "data.target=y", f"data.columns={json.dumps(pins)}")
    assert str(data.targets) == expected


def test_classes_that_are_numbers_stand_in_the_order_of_numbers(write: Write, tmp_path: Path) -> None:
    write_table(tmp_path / "houses.csv", ("x", "y"), [[str(i * 0.37), str(i % 12)] for i in range(120)])
    assert made(write(CONFIG), "data.target=y").targets.names == tuple(map(str, range(12)))


def test_several_targets_are_values(command: Command, write: Write, table: Path, tmp_path: Path) -> None:
    write(CONFIG)
    assert command("fit", "my.yaml", "data.target=[price, rooms]", "trainer.length=2 epochs").status == 0
    (row, *_) = lines(command("predict", only_run(tmp_path / "runs"), "--split", "dev").out)
    assert {"price", "rooms"} <= row.keys()


def test_weights_say_how_much_a_row_counts(command: Command, write: Write, tmp_path: Path) -> None:
    """The best constant is the weighted mean: (3 * 0 + 1 * 1) / 4."""
    rows = [[str(i * 0.5 % 7), str(i % 2), "1" if i % 2 else "3"] for i in range(200)]
    write_table(tmp_path / "houses.csv", ("x", "price", "sure"), rows)
    write("data: {type: table, path: houses.csv, target: price, batch_size: all}\nmodel: linear\n")
    overrides = ("optimizer={type: sgd, lr: 0.3}", "trainer.length=100 steps", "data.columns.price=number")
    for weight, expected in (("data.columns.sure=ignore", 0.5), ("data.weight=sure", 0.25)):
        run = command("fit", "my.yaml", *overrides, weight, "--json").json["run"]
        values = [row["price"] for row in lines(command("predict", run, "--split", "test").out)]
        assert np.mean(values) == pytest.approx(expected, abs=0.07)


def test_columns_can_be_pinned(command: Command, write: Write, tmp_path: Path) -> None:
    rows = [[str(3000 + i % 4), f"house {i}", str(i), f"{i * 0.7:.1f}"] for i in range(80)]
    write_table(tmp_path / "houses.csv", ("zip", "name", "id", "price"), rows)
    write(CONFIG)
    said = command("fit", "my.yaml", "trainer.length=1 steps").err
    assert "number   zip" in said
    assert "ignored  name (80 different texts in 80 rows; data.columns={name: category} takes it in)" in said
    assert "ignored  id (every whole number from 0 to 79 once" in said
    pinned = "data.columns={zip: category, id: number, name: ignore}"
    said = command("fit", "my.yaml", pinned, "trainer.length=1 steps").err
    assert "category zip (4)" in said and "number   id" in said and "ignored  name, as data.columns says" in said
    assert made(tmp_path / "my.yaml", pinned).inputs.groups == (4,)


def test_categories_have_vectors_below_a_network(command: Command, write: Write, table: Path) -> None:
    write(CONFIG)
    fitted = command("fit", "my.yaml", "model={type: entity_embedding, body: {type: mlp, hidden: [16]}}", "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["dev"]["r2"] > 0.8
    refused = command("fit", "my.yaml", "model=entity_embedding", "data.columns={town: ignore}")
    assert refused.status == 2
    assert "there are no categories in vectors of 3 features; take mlp alone" in refused.err


def test_a_checkpoint_is_enough(command: Command, run: Path, table: Path, tmp_path: Path) -> None:
    """It is moved, and the training data is gone: columns in another order, others beside them, unknown categories."""
    moved = tmp_path / "elsewhere" / "model.safetensors"
    moved.parent.mkdir()
    shutil.move(run / "checkpoints" / "best.safetensors", moved)
    shutil.rmtree(run)
    before = houses(30, seed=1)
    table.unlink()
    shuffled = [[town, "x", price, garden, area, rooms] for area, rooms, town, garden, price in before]
    new = write_table(tmp_path / "new.csv", ("town", "more", "price", "garden", "area", "rooms"), shuffled, ";")
    called = command("predict", moved, new)
    assert (called.status, called.err) == (0, "")
    rows = lines(called.out)
    assert [(row["file"], row["row"]) for row in rows] == [(str(new), i + 2) for i in range(30)]
    known = [(row["price"], float(price)) for row, (area, *_, price) in zip(rows, before, strict=True) if area]
    assert np.corrcoef(*zip(*known, strict=True))[0, 1] > 0.9
    other = write_table(tmp_path / "other.csv", HOUSES[:4], [["", "3", "Genf", "yes"], ["80", "3", "", "no"]])
    assert len(lines(command("predict", moved, other).out)) == 2
    error = command("eval", moved, f"data.test={new}", "--split", "test", "--json").json["metrics"]["rmse"]
    truth = np.array([[row["price"], float(price)] for row, (*_, price) in zip(rows, before, strict=True)])
    assert error == pytest.approx(np.sqrt(np.mean((truth[:, 0] - truth[:, 1]) ** 2)), rel=1e-4)


def test_predictions_of_a_file_are_those_of_the_split(command: Command, run: Path, table: Path) -> None:
    whole = {round(row["price"], 2) for row in lines(command("predict", run, table).out)}
    split = [round(row["price"], 2) for row in lines(command("predict", run, "--split", "test").out)]
    assert len(split) == 30
    assert set(split) <= whole


def test_rows_that_cannot_be_read_fail_one_by_one(command: Command, run: Path, tmp_path: Path) -> None:
    rows = [["80", "3", "Bern", "no"], ["big", "3", "Bern", "no"], ["80", "3", "Bern"], ["inf", "3", "Bern", "no"]]
    more = [["80", "3", "Bern", "perhaps"], ["90", "1", "Chur", "no"]]
    bad = write_table(tmp_path / "bad.csv", HOUSES[:4], [*rows, *more])
    lacking = write_table(tmp_path / "lacking.csv", ("area", "rooms"), [["1", "2"]])
    called = command("predict", run, bad, lacking, tmp_path / "none.csv", "--out", "answers.csv")
    assert called.status == 1
    with (tmp_path / "answers.csv").open() as file:
        assert [(row["file"], row["row"]) for row in csv.DictReader(file)] == [(str(bad), "2"), (str(bad), "7")]
    assert called.err.splitlines() == [
        f"{bad}:3:1: area: 'big' is not a finite number",
        f"{bad}:4: 3 values, but there are 4 columns",
        f"{bad}:5:1: area: 'inf' is not a finite number",
        f"{bad}:6:4: garden: 'perhaps' is neither true nor false",
        f"{lacking} has no column town, garden, which the model was trained with",
        f"there is no file {tmp_path / 'none.csv'}",
        "2 rows in answers.csv",
    ]


def test_dev_and_test_may_be_files_of_their_own(command: Command, write: Write, table: Path, tmp_path: Path) -> None:
    for name, rows, seed in (("dev", 40, 1), ("test", 50, 2)):
        shuffled = [row[::-1] for row in houses(rows, seed)]
        write_table(tmp_path / f"{name}.tsv", HOUSES[::-1], shuffled, "\t")
    write(CONFIG)
    data = made(tmp_path / "my.yaml", "data.dev=dev.tsv", "data.test=test.tsv")
    assert [len(data.split(name)) for name in ("train", "dev", "test")] == [200, 40, 50]
    data = made(tmp_path / "my.yaml", "data.test=test.tsv")
    assert [len(data.split(name)) for name in ("train", "dev", "test")] == [180, 20, 50]
    refused = command("fit", "my.yaml", "data.test=test.tsv", "data.split.test=0.2")
    assert refused.status == 2
    assert "has a test set of its own; leave this setting out" in refused.err


def grouped(tmp_path: Path) -> Path:
    rows = [[f"p{i // 5}", str(i), str(i + 0.5), str(i // 5 % 2)] for i in range(200)]
    random.Random(0).shuffle(rows)
    return write_table(tmp_path / "houses.csv", ("patient", "day", "x", "ill"), rows)


def patients(data: Any) -> list[set[str]]:
    """The groups of each part, found by the number that every row has for itself."""
    parts = [data.split(name).inputs[:, -1].tolist() for name in ("train", "dev", "test")]
    return [{f"p{int(x) // 5}" for x in part} for part in parts]


PLAIN = ("data.target=ill", "data.standardize=false")


def test_rows_of_a_group_stay_together(write: Write, tmp_path: Path) -> None:
    grouped(tmp_path)
    path = write(CONFIG)
    seen: set[str] = set()
    for fold in range(4):
        folds = f"data.split={{folds: 4, fold: {fold}}}"
        train, dev, test = patients(made(path, *PLAIN, "data.group=patient", folds))
        assert not (train & dev or train & test or dev & test)
        assert len(train | dev | test) == 40
        assert len(test) == 10 and not test & seen
        seen |= test
    train, dev, test = patients(made(path, *PLAIN, "data.group=patient"))
    assert not (train & dev or train & test or dev & test)
    assert (len(dev), len(test)) == (6, 6)
    mixed = patients(made(path, *PLAIN, "data.columns={patient: ignore}"))
    assert mixed[0] & mixed[2]


def test_groups_share_out_the_classes_evenly(write: Write, tmp_path: Path) -> None:
    grouped(tmp_path)
    data = made(write(CONFIG), *PLAIN, "data.group=patient")
    for name in ("train", "dev", "test"):
        assert data.split(name).targets.double().mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("form", ["{:d}", "2021-01-{:02d}", "2021-01-{:02d}T10:30"])
def test_the_last_rows_in_time_are_held_out(write: Write, tmp_path: Path, form: str) -> None:
    days = list(range(1, 31))
    random.Random(0).shuffle(days)
    write_table(tmp_path / "houses.csv", ("day", "x", "price"), [[form.format(d), str(d), str(d / 7)] for d in days])
    shares = "data.split={test: 0.2, dev: 0.1}"
    data = made(write(CONFIG), "data.time=day", "data.standardize=false", shares, "data.columns={x: number}")
    found = [sorted(data.split(name).inputs[:, 0].int().tolist()) for name in ("train", "dev", "test")]
    assert found == [list(range(1, 22)), [22, 23, 24], list(range(25, 31))]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data.time=day", "data.split.seed=3"), "data.split.seed: rows divided by time are not drawn"),
        (("data.time=day", "data.split.folds=3"), "data.split.folds: rows divided by time are not drawn"),
        (("data.time=day", "data.group=patient"), "data.time: rows are divided by group or by time"),
        (("data.time=patient",), "'p"),
        (("data.group=patient", "data.split.folds=50"), "40 groups cannot be dealt out to 50 folds"),
        (("data.group=pateint",), "has no column 'pateint'; did you mean 'patient'?"),
        (("data.group=ill",), "'ill' has two roles: target, group"),
        (("data.group=patient", "data.columns={patient: category}"), "'patient' is the group column, and no input"),
        (("data.group=patient", "data.dev=houses.csv", "data.test=houses.csv"), "nothing is divided; leave this out"),
        (("data.columns={pateint: category}",), "data.columns.pateint: "),
        (("data.columns={ill: ignore}",), "ill is the target; it is a number or a category"),
        (("data.columns={patient: text}",), "expected one of number, boolean, category, ignore"),
        (("data.target=[]",), "data.target: names no column"),
        (("data.target=[ill, x]", "data.columns={x: category}"), "several targets are numbers; x is one of them"),
        (("data.flag_missing=true",), "no number is missing in the training set; leave this setting out"),
    ],
)
def test_settings_that_do_not_fit_are_pointed_at(
    command: Command, write: Write, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    grouped(tmp_path)
    write(CONFIG)
    before = contents(tmp_path)
    refused = (
        command("fit", "my.yaml", "data.target=ill", *overrides)
        if "target" not in overrides[0]
        else command("fit", "my.yaml", *overrides)
    )
    assert refused.status == 2
    assert message in refused.err
    assert contents(tmp_path) == before


def test_folds_are_trained_one_after_the_other(command: Command, write: Write, tmp_path: Path) -> None:
    grouped(tmp_path)
    write(CONFIG)
    settings = ("data.target=ill", "data.group=patient", "trainer.length=2 epochs")
    said = command("fit", "my.yaml", "--folds", "3", *settings, "--json")
    assert said.status == 0, said.err
    assert len(said.json["runs"]) == 3


def test_a_killed_run_goes_on_to_the_same_end(
    command: Command, write: Write, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CONFIG + "name: my\n")
    settings = ("data.standardize=robust", "data.flag_missing=true", "trainer.length=30 steps", "trainer.save=7 steps")
    assert command("fit", "my.yaml", *settings, "--out", "straight").status == 0

    def kill() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        at_step(patched, 17, kill)
        command("fit", "my.yaml", *settings, "--out", "killed")
    killed = only_run(tmp_path / "killed")
    assert command("fit", "--resume", killed).status == 0
    same_run(only_run(tmp_path / "straight"), killed)
    refused = command("fit", "--resume", killed, "data.target=rooms", "trainer.length=60 steps")
    assert refused.status == 2


def test_a_checkpoints_preparation_cannot_be_set_otherwise(command: Command, run: Path) -> None:
    for setting in ("impute=median", "target=rooms", "columns={town: ignore}", "flag_missing=true"):
        override = f"data.{setting}"
        for refused in (command("eval", run, override), command("predict", run, "houses.csv", override)):
            assert refused.status == 2
            assert "the checkpoint was trained with" in refused.err


def test_the_same_table_gives_the_same_weights(command: Command, write: Write, table: Path, tmp_path: Path) -> None:
    """Whatever its separator and its decimal mark."""
    write(CONFIG)
    german = [[v.replace(".", ",") for v in row] for row in houses()]
    write_table(tmp_path / "german.csv", HOUSES, german, ";")
    for out, path in (("a", "houses.csv"), ("b", "german.csv")):
        assert command("fit", "my.yaml", f"data.path={path}", "trainer.length=2 epochs", "--out", out).status == 0
    assert bits(best(only_run(tmp_path / "a")), "model") == bits(best(only_run(tmp_path / "b")), "model")


def test_parquet(command: Command, write: Write, tmp_path: Path, table: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = [list(column) for column in zip(*houses(), strict=True)]
    numbers = [[float(v) if v else None for v in columns[i]] for i in (0, 1, 4)]
    typed = {
        "area": numbers[0],
        "rooms": [int(v) for v in numbers[1]],
        "town": columns[2],
        "garden": [v == "yes" for v in columns[3]],
        "price": numbers[2],
    }
    parquet.write_table(pyarrow.table(typed), tmp_path / "houses.parquet")
    write(CONFIG)
    one, other = (made(tmp_path / "my.yaml", f"data.path={name}") for name in ("houses.csv", "houses.parquet"))
    assert torch.equal(one.train.inputs, other.train.inputs)
    assert torch.equal(one.train.targets, other.train.targets)
    assert command("fit", "my.yaml", "data.path=houses.parquet", "trainer.length=1 steps").status == 0
    rows = lines(command("predict", only_run(tmp_path / "runs"), "houses.parquet").out)
    assert [row["row"] for row in rows] == list(range(1, 201))
    refused = command("fit", "my.yaml", "data.path=houses.parquet", "data.separator=;")
    assert refused.status == 2 and "is no text; leave this setting out" in refused.err
    write("not a Parquet file", "bad.parquet")
    assert "bad.parquet cannot be read" in command("fit", "my.yaml", "data.path=bad.parquet").err


def test_without_pyarrow_it_says_what_to_install(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    write("", "houses.parquet")
    write(CONFIG)
    refused = command("fit", "my.yaml", "data.path=houses.parquet")
    assert refused.status == 2
    assert "pip install pyarrow" in refused.err
