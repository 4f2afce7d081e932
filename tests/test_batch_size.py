"""`data.batch_size: auto`: the size that real updates find, what limits it, and the run that remembers it."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain import batch_size
from nntrain.annotations import options
from nntrain.memory import Peak, room
from nntrain.registry import Registry
from nntrain.schema import component_settings
from runs import at_step, bits, instant_disk, last, only_run, runs_in, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

MODEL = '''
import os
import time

import torch
from torch import Tensor, nn

from nntrain.registry import model
from nntrain.specs import Image


@model("timed")
class Timed(nn.Module):
    """A network whose time and memory are known: so much for a batch, and so much for each of its examples."""

    def __init__(self, inputs: Image) -> None:
        super().__init__()
        self.features = 64
        self.layer = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            if len(x) > int(os.environ.get("ROOM", "100000")):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            time.sleep(float(os.environ.get("A_BATCH", "0")) + len(x) * float(os.environ.get("AN_EXAMPLE", "0")))
        return self.layer(x.flatten(1))
'''
CONFIG = """
plugins: [timed.py]
data: {type: digits, batch_size: auto}
model: timed
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 12 steps, evaluate: 6 steps, save: 5 steps, log: 3 steps, preflight: false, samples: false}
"""
TRAINED = 1259  # examples of digits


@pytest.fixture
def config(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(MODEL, "timed.py")
    monkeypatch.setattr(batch_size, "SECONDS", 0.03)
    return write(CONFIG)


def size_of(run: Path) -> int:
    """The number that stands in the run's config."""
    found = re.search(r"^  batch_size: (\d+)$", (run / "config.yaml").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def found(called: Any) -> int:
    assert called.status == 0, called.err
    return size_of(Path(called.json["run"]))


# --- What is found.


def test_sizes_grow_as_long_as_they_are_faster(command: Command, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the time is the batch's, whatever its size."""
    monkeypatch.setenv("A_BATCH", "0.02")
    called = command("fit", config, "--json")
    assert found(called) == 64  # the next would leave 9 updates an epoch
    assert "data.batch_size: 64 found" in called.err and "fewer than 16 updates an epoch" in called.err
    speeds = [float(speed.replace(",", "")) for speed in re.findall(r"\d+: ([\d,]+)[,;]", called.err)]
    assert len(speeds) == 4 and speeds == sorted(speeds)
    assert speeds[0] < 8 / 0.02 and speeds[-1] < 64 / 0.02


def test_where_larger_ones_are_no_faster_the_smallest_of_them_is_taken(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AN_EXAMPLE", "0.006")
    called = command("fit", config, "--json")
    assert found(called) == 8
    assert "more are no faster" in called.err and " 64: " not in called.err  # two doublings are tried


def test_a_size_that_does_not_fit_on_a_gpu_is_not_taken(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_BATCH", "0.01")
    monkeypatch.setenv("ROOM", "40")
    called = command("fit", config, "--json")
    assert found(called) == 32
    assert "memory is short for more" in called.err


def test_on_a_cpu_a_size_that_would_not_fit_is_not_tried(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example takes at least 3 x 65,536 numbers of activations: 0.8 MB."""
    wide = write(
        "data: {type: digits, batch_size: auto}\nmodel: {type: mlp, hidden: [65536]}\n"
        "optimizer: {type: sgd, lr: 0.01}\ntrainer: {length: 1 step, preflight: false}\n"
    )
    monkeypatch.setattr(batch_size, "SECONDS", 0.0)
    monkeypatch.setattr(batch_size, "PATIENCE", 100)
    monkeypatch.setattr(batch_size, "room", lambda device: 60_000_000)
    called = command("fit", wide, "--json")
    assert found(called) <= 32 and "memory is short for more" in called.err
    monkeypatch.setattr(batch_size, "room", lambda device: 60_000_000_000)
    assert "memory is short" not in command("fit", wide, "--json").err


def test_accumulated_batches_count_for_the_updates_of_an_epoch(command: Command, config: Path) -> None:
    size = found(command("fit", config, "trainer.accumulate=4", "--json"))
    assert size <= TRAINED / 16 / 4


def test_a_smallest_size_that_does_not_fit_is_one_sentence(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROOM", "4")
    called = command("fit", config)
    assert called.status == 1 and not (tmp_path / "runs").exists()
    (line,) = [line for line in called.err.splitlines() if line.startswith("error: ")]
    assert "data.batch_size=auto: out of memory" in line


# --- The run.


def test_the_run_is_that_of_the_number(command: Command, config: Path) -> None:
    """What was tried leaves no trace in it."""
    chosen = Path(command("fit", config, "--json").json["run"])
    size = size_of(chosen)
    plain = Path(command("fit", config, f"data.batch_size={size}", "--out", "plain", "--json").json["run"])
    same_run(plain, chosen)
    assert "auto" not in (chosen / "config.yaml").read_text().split("batch_size")[1].splitlines()[0]
    repeated = Path(command("fit", chosen / "config.yaml", "--out", "repeated", "--json").json["run"])
    assert bits(last(repeated)) == bits(last(chosen))


@pytest.mark.parametrize("how", ["auto", "run", "both"])
def test_a_killed_run_goes_on_with_its_number(
    command: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("ROOM", "20")
    with monkeypatch.context() as patched:
        at_step(patched, 8, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", config).status == 143
    run = only_run(tmp_path / "runs")
    size = size_of(run)
    monkeypatch.setenv("ROOM", "1000")  # another number would be found now
    words = {"auto": [config, "--resume", "auto"], "run": ["--resume", run], "both": [config, "--resume", run]}
    called = command("fit", *words[how])
    assert called.status == 0 and "trying" not in called.err
    assert runs_in(tmp_path / "runs") == [run] and size_of(run) == size
    whole = Path(command("fit", config, f"data.batch_size={size}", "--out", "whole", "--json").json["run"])
    same_run(whole, run)


def test_an_unfinished_run_of_another_config_is_left_alone(
    command: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        at_step(patched, 8, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", config).status == 143
    called = command("fit", config, "optimizer.lr=0.01", "--resume", "auto")
    assert called.status == 0 and "no unfinished run" in called.err
    assert len(runs_in(tmp_path / "runs")) == 2


def test_runs_of_a_study_have_one_number(
    command: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = command("fit", config, "--seeds", 2)
    assert called.status == 0
    assert called.err.count("found (") == 1
    runs = [path.parent for path in (tmp_path / "runs").glob("*/*/*/config.yaml")]
    assert len(runs) == 2 and len({size_of(run) for run in runs}) == 1


def test_stages_have_one_number(command: Command, config: Path, write: Write) -> None:
    several = write(CONFIG + "stages: [{}, {optimizer: {lr: 0.01}}]\n", "several.yaml")
    called = command("fit", several, "--json")
    assert called.status == 0 and called.err.count("found (") == 2
    assert found(called) in (8, 16, 32, 64)
    assert "auto" not in re.findall(r"batch_size: (\w+)", Path(called.json["run"], "config.yaml").read_text())


def test_a_stage_may_have_its_own(command: Command, write: Write) -> None:
    staged = write(
        "data: {type: digits, batch_size: 50}\nmodel: mlp\ntrainer: {length: 2 steps, preflight: false}\n"
        "stages: [{}, {data: {batch_size: auto}}]\n"
    )
    called = command("fit", staged, "--json")
    assert called.status == 0
    sizes = re.findall(r"batch_size: (\w+)", Path(called.json["run"], "config.yaml").read_text())
    assert sizes[0] == "50" and sizes[1] in ("8", "16", "32", "64")


# --- What is not trained.


@pytest.mark.parametrize("asked", [("check",), ("show", "config")])
def test_commands_that_do_not_train_try_nothing(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    monkeypatch.setattr(batch_size, "find", lambda parts: pytest.fail("tried"))
    called = command(*asked, config)
    assert called.status == 0 and "auto" in called.out


def test_check_says_what_it_assumes(command: Command, config: Path) -> None:
    facts = command("check", config, "--json").json
    assert (facts["batch_size"], facts["batch_size_is_auto"]) == (32, True)
    assert "(auto: fit tries" in " ".join(command("check", config).out.split())
    assert command("check", config, "data.batch_size=16", "--json").json["batch_size_is_auto"] is False


def test_a_wrong_config_is_refused_before_anything_is_tried(
    command: Command, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "find", lambda parts: pytest.fail("tried"))
    called = command("fit", config, "optimizer.momentun=0.9")
    assert called.status == 2 and "momentum" in called.err
    assert not (tmp_path / "runs").exists()


def test_where_every_batch_holds_the_whole_graph_it_is_refused(command: Command, write: Write) -> None:
    called = command("check", write("data: {type: karate_club, batch_size: auto}\nmodel: gnn\n"))
    assert called.status == 2
    assert "data.batch_size: expected a whole number at least 1 or all, found 'auto'" in called.err


def test_every_other_set_takes_it() -> None:
    registry = Registry()
    for name in registry.names("data"):
        setting = component_settings(registry.load("data", name)).get("batch_size")
        assert setting is not None, name
        words = [word for option in options(setting.annotation) for word in getattr(option, "__args__", ())]
        assert ("auto" in words) == (setting.default != "all"), name


# --- Memory.


def test_the_most_that_was_taken_is_seen() -> None:
    device = torch.device("cpu")
    peak = Peak(device)
    taken = torch.ones(25_000_000)
    del taken
    assert 80_000_000 < peak.bytes() < 200_000_000
    assert Peak(device).bytes() < 50_000_000


def test_there_is_room_but_not_more_than_the_machine_has() -> None:
    assert 0 < room(torch.device("cpu")) < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
