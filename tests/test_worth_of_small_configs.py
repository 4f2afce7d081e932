"""What some shipped configs that take seconds are worth: the scores that text books and papers lead one to expect."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runs import instant_disk  # noqa: F401

CONFIGS = Path(__file__).parents[1] / "configs"


def test_tumours_are_told_apart_with_an_auroc_of_99_percent(command: Callable[..., Any]) -> None:
    fitted = command(
        "fit", CONFIGS / "mlp_breast_cancer.yaml", "trainer.length=15 epochs", "trainer.evaluate=5 epochs", "--json"
    )
    assert fitted.status == 0, fitted.err
    measured = command("eval", fitted.json["run"], "--split", "test", "--json").json
    assert measured["examples"] == 85 and measured["metrics"]["auroc"] >= 0.99


def test_a_restricted_boltzmann_machine_knows_bars_and_stripes(command: Callable[..., Any]) -> None:
    """14 images of 512, by an exact sum over all states: the mean log-likelihood is near minus their entropy, ln 14."""
    overrides = ("optimizer.lr=0.5", "task.steps=1", "trainer.length=1500 steps", "trainer.evaluate=1500 steps")
    fitted = command("fit", CONFIGS / "rbm_bars.yaml", *overrides, "--json")
    assert fitted.status == 0, fitted.err
    reached = fitted.json["dev"]["log_likelihood"]
    assert -math.log(14) - 0.5 < reached < -math.log(14)
    assert reached == pytest.approx(fitted.json["train"]["log_likelihood"])


def test_a_code_of_two_numbers_is_drawn_in_the_projector(command: Callable[..., Any]) -> None:
    fitted = command(
        "fit", CONFIGS / "autoencoder_digits.yaml", "trainer.length=20 epochs", "trainer.evaluate=20 epochs", "--json"
    )
    assert fitted.status == 0, fitted.err
    (points,) = Path(fitted.json["run"]).rglob("points.tsv")
    rows = [line.split("\t") for line in points.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 269 and all(len(row) == 2 for row in rows)
    labels = points.with_name("labels.tsv").read_text(encoding="utf-8").splitlines()
    assert len(labels) == len(rows) and set(labels) == set("0123456789")
    assert points.with_name("pictures.png").is_file()
