"""Many runs from one config: each a run of its own, and together a mean, a deviation and an interval."""

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from nntrain.config import load
from nntrain.study import together
from runs import at_step, summary_of

Command = Callable[..., Any]
CONFIG = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8]}
trainer: {length: 3 epochs, evaluate: 1 epoch}
"""


def test_each_seed_is_a_run_of_its_own(command: Command, write: Callable[..., Path]) -> None:
    write(CONFIG)
    summary = command("fit", "my.yaml", "--seeds", 3, "--json").json
    runs = [Path(run) for run in summary["runs"]]
    assert [load(run / "config.yaml").data["seed"] for run in runs] == [0, 1, 2]
    assert runs == [Path(summary["run"]) / f"seed-{seed}" for seed in range(3)]
    losses = [summary_of(run)["dev"]["loss"] for run in runs]
    assert len(set(losses)) == 3
    assert summary["status"] == "finished"
    assert summary["mean"]["dev"]["loss"] == pytest.approx(mean(losses))
    assert summary["deviation"]["dev"]["loss"] == pytest.approx(stdev(losses))
    half = 4.302652729749464 * stdev(losses) / math.sqrt(3)  # Student's t with two degrees of freedom
    assert summary["interval"]["dev"]["loss"] == pytest.approx([mean(losses) - half, mean(losses) + half])
    assert summary_of(Path(summary["run"])) == summary


def test_the_best_of_all_runs_is_named(command: Command, write: Callable[..., Path]) -> None:
    write(CONFIG)
    for monitor, choose in (("dev/error_rate", min), ("dev/accuracy", max)):
        summary = command("fit", "my.yaml", f"trainer.monitor={monitor}", "--seeds", 3, "--json").json
        values = [summary_of(Path(run))["best"]["value"] for run in summary["runs"]]
        assert summary["best"]["value"] == choose(values)
        assert command("eval", summary["best"]["checkpoint"]).status == 0


def test_every_example_is_tested_in_one_fold(command: Command, write: Callable[..., Path]) -> None:
    write(CONFIG)
    summary = command("fit", "my.yaml", "--folds", 3, "--json").json
    examples = [command("eval", run, "--split", "test", "--json").json["examples"] for run in summary["runs"]]
    assert examples == [50, 50, 50]
    assert len({summary_of(Path(run))["dev"]["loss"] for run in summary["runs"]}) == 3


def test_the_table_says_mean_and_interval(command: Command, write: Callable[..., Path]) -> None:
    write(CONFIG)
    said = command("fit", "my.yaml", "--seeds", 2)
    assert "2 runs: mean +- half of the 95 % interval" in said.out
    assert said.out.count("+-") > 3
    assert "seeds 2 of 2: seed=1" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("my.yaml", "--seeds", "3", "--folds", "3"), "--seeds and --folds are two studies; take one of them"),
        (("my.yaml", "--seeds", "3", "--resume", "auto"), "--seeds starts new runs of a config"),
        (("--seeds", "3"), "--seeds starts new runs of a config"),
        (("my.yaml", "--seeds", "1"), "greater than or equal to 2"),
        (("my.yaml", "--seeds", "2", "model.hiden=3"), "did you mean 'hidden'?"),
        (("my.yaml", "--seeds", "2", "seed=4"), "seed"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    command: Command, write: Callable[..., Path], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write(CONFIG)
    refused = command("fit", *arguments)
    assert refused.status == 2
    assert message in refused.err
    assert not (tmp_path / "runs").exists()


def test_an_interrupted_run_is_the_last(
    command: Command, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CONFIG)
    at_step(monkeypatch, 5, lambda: os.kill(os.getpid(), signal.SIGINT))
    stopped = command("fit", "my.yaml", "--seeds", 3, "--json")
    assert stopped.json["status"] == "interrupted"
    assert len(stopped.json["runs"]) == 1
    assert f"fit --resume {stopped.json['runs'][0]}" in stopped.err


def test_studies_of_one_second_have_folders_of_their_own(
    command: Command, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CONFIG)
    monkeypatch.setattr("nntrain.study.now", lambda: "2026-01-31T12-00-00")
    first, second = (command("fit", "my.yaml", "--seeds", 2, "--json").json for _ in range(2))
    assert Path(first["run"]).name == "2026-01-31T12-00-00-seeds"
    assert Path(second["run"]).name == "2026-01-31T12-00-00-seeds-2"
    assert [Path(run).name for run in second["runs"]] == ["seed-0", "seed-1"]
    assert summary_of(Path(first["run"])) == first


def run_with(loss: float | None, status: str = "finished") -> dict[str, Any]:
    dev = {} if loss is None else {"loss": loss}
    return {
        "run": "r", "status": status, "reason": None, "seconds": 1.0, "model": {},
        "train": dev, "dev": dev, "best": None,
    }  # fmt: skip


def test_one_run_has_no_deviation_and_a_failed_one_fails_the_study(tmp_path: Path) -> None:
    alone = together([run_with(0.5)], tmp_path, "lower")
    assert alone["mean"]["dev"] == {"loss": 0.5}
    assert math.isnan(alone["deviation"]["dev"]["loss"])
    failed = together([run_with(0.5), run_with(None, "diverged")], tmp_path, "lower")
    assert failed["status"] == "diverged"
    assert failed["mean"]["dev"] == {}
    assert failed["best"] is None
