"""nntrain data: what a data set holds, as a user sees it before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_diabetes, load_iris
from tables import HOUSES, houses, write_table

from nntrain.look.moments import moments

Command = Callable[..., Any]


def test_sizes_classes_and_ranges_are_those_of_the_set(command: Command) -> None:
    facts = command("data", "iris", "--json").json
    raw = load_iris()
    splits = facts["splits"]
    assert sum(part["examples"] for part in splits.values()) == len(raw.data)
    counts = [sum(part["classes"][name] for part in splits.values()) for name in raw.target_names]
    assert counts == [50, 50, 50]
    features = [[part["inputs"][i] for part in splits.values()] for i in range(4)]
    for i, found in enumerate(features):
        assert min(part["least"] for part in found) == pytest.approx(raw.data[:, i].min(), rel=1e-5)
        assert max(part["greatest"] for part in found) == pytest.approx(raw.data[:, i].max(), rel=1e-5)


def test_values_are_in_their_own_units(command: Command) -> None:
    said = command("data", "diabetes", "--json").json
    raw = load_diabetes()
    targets = [part["targets"][0] for part in said["splits"].values()]
    assert {row["name"] for row in targets} == {"progression"}
    sizes = [part["examples"] for part in said["splits"].values()]
    total = sum(size * row["mean"] for size, row in zip(sizes, targets, strict=True))
    assert total / sum(sizes) == pytest.approx(raw.target.mean(), rel=1e-6)


def test_moments_of_pieces_are_those_of_the_whole() -> None:
    values = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).double() * 5 + 1
    values[7, 1] = torch.nan
    found = moments(iter(values.split(17)))
    assert found is not None
    rows = found.by_name()
    known = values[~values[:, 1].isnan(), 1]
    assert rows[1]["missing"] == 1
    assert rows[1]["mean"] == pytest.approx(float(known.mean()))
    assert rows[1]["deviation"] == pytest.approx(float(known.std(correction=0)))
    assert (rows[0]["least"], rows[0]["greatest"]) == (float(values[:, 0].min()), float(values[:, 0].max()))


def test_columns_of_a_table_have_their_names_and_what_is_missing_is_counted(
    command: Command, write: Callable[..., Path], tmp_path: Path
) -> None:
    rows = houses(200)
    write_table(tmp_path / "houses.csv", HOUSES, rows)
    config = write("data: {type: table, path: houses.csv, target: price, flag_missing: true}\nmodel: linear\n")
    facts = command("data", config, "data.split={dev: 0, test: 0.001}", "--json").json
    names = ["area", "rooms", "garden", "area=missing", "town=Basel", "town=Bern", "town=Chur"]
    assert [row["name"] for row in facts["splits"]["train"]["inputs"]] == names
    assert facts["missing"] == {"area": sum(row[0] == "" for row in rows)}
    means = {row["name"]: row["mean"] for row in facts["splits"]["train"]["inputs"]}
    assert means["town=Bern"] == pytest.approx(sum(row[2] == "Bern" for row in rows) / len(rows))
    assert means["area=missing"] == pytest.approx(facts["missing"]["area"] / len(rows))
    shown = command("data", config).out
    assert "missing values" in shown and "town=Chur" in shown


@pytest.mark.parametrize("name", ["digits", "reversal", "reversal_pairs", "karate_club", "parity", "adding_problem"])
def test_every_kind_of_data_is_shown_as_tables(command: Command, name: str) -> None:
    shown = command("data", name)
    assert shown.status == 0
    assert name in shown.out
    assert "\nexamples" in shown.out


def test_lengths_of_sequences(command: Command) -> None:
    lengths = command("data", "reversal_pairs", "data.length=6", "--json").json["splits"]["train"]["lengths"]
    assert (lengths["least"], lengths["greatest"]) == (1, 6)
    assert lengths["median"] in (3, 4)


def test_a_config_shows_the_data_that_it_trains_on(command: Command, write: Callable[..., Path]) -> None:
    config = write("data: {type: digits, split: {dev: 0.5, test: 0.1}}\nmodel: linear\n")
    sizes = {name: part["examples"] for name, part in command("data", config, "--json").json["splits"].items()}
    checked = command("check", config, "--json").json["data"]["examples"]
    assert {name: sizes[name] for name in checked} == checked


def test_pictures_are_drawn_once(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "digits.png"
    assert command("data", "digits", "--pictures", target).status == 0
    with Image.open(target) as picture:
        assert min(picture.size) > 400
    again = command("data", "digits", "--pictures", target)
    assert again.status == 2
    assert "nothing is overwritten" in again.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digit",), "data sets are"),
        (("digits", "data.batchsize=3"), "did you mean 'batch_size'?"),
        (("iris", "--pictures", "iris.png"), "are no images"),
        (("digits", "--pictures", "digits.gif"), "ends in .png"),
        (("digits", "data.split.dev=0.9", "data.split.test=0.5"), "leave no examples for training"),
    ],
)
def test_what_is_wrong_is_said(command: Command, arguments: tuple[str, ...], said: str) -> None:
    refused = command("data", *arguments)
    assert refused.status == 2
    assert said in refused.err
