"""The folder of a run: made once, never overwritten, complete."""

import json
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import torch

from conftest import Called
from nntrain import run as run_module
from nntrain.errors import UserError
from nntrain.run import Run
from runs import TINY, bits, contents, instant_disk, last, only_run, runs_in, same_run, summary_of  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]


class Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        return datetime(2024, 2, 3, 4, 5, 6)


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "datetime", Stopped)


# --- The folder.


def test_a_run_has_the_files_that_it_should(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "environment.json", "metrics.jsonl", "summary.json"),
        *("checkpoints", "train", "dev"),
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d", run.name)
    assert run.parent.name == "my"


def test_runs_lie_below_the_folder_and_the_name_that_are_given(command: Command, write: Write, tmp_path: Path) -> None:
    config = write(TINY)
    assert command("fit", config).status == 0
    assert command("fit", config, "name=a good one", "--out", "some/where").status == 0
    assert only_run(tmp_path / "runs").parent == tmp_path / "runs" / "my"
    assert only_run(tmp_path / "some" / "where").parent == tmp_path / "some" / "where" / "a good one"


@pytest.mark.usefixtures("stopped_clock")
def test_runs_of_one_second_have_folders_of_their_own(command: Command, write: Write, tmp_path: Path) -> None:
    config = write(TINY)
    kept: dict[Path, dict[str, bytes]] = {}
    for name in ("2024-02-03T04-05-06", "2024-02-03T04-05-06-2", "2024-02-03T04-05-06-3"):
        run = Path(command("fit", config, "--json").json["run"])
        assert run == tmp_path / "runs" / "my" / name
        assert {path: contents(path) for path in kept} == kept
        kept[run] = contents(run)


@pytest.mark.usefixtures("stopped_clock")
def test_runs_of_one_moment_have_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(12) as threads:
        runs = list(threads.map(lambda i: Run.create(tmp_path, "my", f"seed: {i}\n", {"seed": i}), range(12)))
    assert len({run.path for run in runs}) == 12
    for i, run in enumerate(runs):
        assert run.config.read_text() == f"seed: {i}\n"
        assert json.loads((run.path / "environment.json").read_text()) == {"seed": i}


def test_a_folder_that_was_there_is_never_touched(command: Command, write: Write, tmp_path: Path) -> None:
    config = write(TINY)
    stranger = tmp_path / "runs" / "my" / "notes.txt"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("mine")
    first = Path(command("fit", config, "--json").json["run"])
    before = contents(first)
    command("fit", config)
    command("fit", config, "--resume", "auto")
    assert contents(first) == before
    assert stranger.read_text() == "mine"
    assert len(runs_in(tmp_path / "runs")) == 3


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_the_users_mistake(
    place: str, command: Command, write: Write, tmp_path: Path
) -> None:
    config = write(TINY)
    (tmp_path / "file").write_text("")
    refused = command("fit", config, "--out", place)
    assert refused.status == 2
    assert str(tmp_path / "file") in refused.err or place in refused.err
    assert (tmp_path / "file").read_text() == ""


def test_a_wrong_config_makes_no_folder(command: Command, write: Write, tmp_path: Path) -> None:
    assert command("fit", write(TINY), "optimizer.lr=-1").status == 2
    assert command("fit", write(TINY), "optimizer.lrr=1", "--resume", "auto").status == 2
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_config_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"status": 3}', '{"state": "finished"}'])
def test_a_summary_that_is_not_whole_does_not_end_a_run(text: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "my", "seed: 0\n", {})
    run.summary.write_text(text)
    assert not run.is_finished()


# --- What lies in it.


def test_the_config_of_a_run_repeats_it(command: Command, write: Write) -> None:
    text = TINY + "regularizers: [{type: l2}]\nscheduler: {type: cosine, warmup: 5%}\n"
    first = Path(command("fit", write(text), "optimizer.lr=0.07", "--json").json["run"])
    second = Path(command("fit", first / "config.yaml", "--json").json["run"])
    assert second.parent == first.parent
    assert second != first
    same_run(first, second)
    assert (first / "config.yaml").read_bytes() == (second / "config.yaml").read_bytes()


def test_the_config_of_a_run_holds_the_defaults(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    shown = command("show", "config", run / "config.yaml", "--json").json
    assert shown["seed"] == 0
    assert shown["task"]["type"] == "classification"
    assert shown["optimizer"] == {
        **{"type": "sgd", "lr": 0.05, "momentum": 0.9},
        **{"nesterov": False, "momentum_form": "torch", "weight_decay": 0.0, "decoupled": False, "groups": []},
    }
    assert (shown["trainer"]["precision"], shown["trainer"]["accumulate"]) == ("fp32", 1)
    assert last(run).facts["config"] == shown


def test_the_environment_says_what_a_run_depended_on(command: Command, write: Write) -> None:
    config = write(TINY)
    run = Path(command("fit", config, "seed=5", "--json").json["run"])
    environment = json.loads((run / "environment.json").read_text())
    assert environment["command"] == ["nntrain", "fit", str(config), "seed=5", "--json"]
    assert environment["seed"] == 5
    assert environment["versions"]["torch"] == torch.__version__
    assert environment["python"] == sys.version.split()[0]
    assert "CPU" in environment["device"]
    assert datetime.fromisoformat(environment["started"]).tzinfo is not None


def test_the_summary_has_the_fields_of_its_description(command: Command, write: Write) -> None:
    called = command("fit", write(TINY), "--json")
    summary = called.json
    assert list(summary) == [
        *("run", "status", "reason", "epochs", "steps", "seconds", "examples_per_second", "data_wait"),
        *("model", "train", "dev", "best"),
    ]
    assert list(summary["best"]) == ["metric", "value", "step", "checkpoint", "metrics"]
    assert summary_of(Path(summary["run"])) == summary
    assert Path(summary["run"]).is_absolute()
    assert Path(summary["best"]["checkpoint"]).is_file()
    assert called.out.count("\n") == 1


# --- Reproducibility.


def test_the_same_seed_makes_the_same_run_and_another_does_not(command: Command, write: Write) -> None:
    config = write(TINY)
    one, same, other = (
        Path(command("fit", config, f"seed={seed}", "--json").json["run"]) for seed in ("1", "1", str(2**63 - 1))
    )
    same_run(one, same)
    assert bits(last(one), "model") != bits(last(other), "model")


def test_what_was_drawn_before_a_run_does_not_matter(command: Command, write: Write) -> None:
    import random

    import numpy as np

    config = write(TINY)
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        runs.append(Path(command("fit", config, "--json").json["run"]))
    same_run(*runs)
