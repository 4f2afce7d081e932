"""The fastest settings on this machine: what is tried, what is chosen, and the config that is written."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain import timing, tune, ways
from nntrain.config import load
from nntrain.errors import UserError
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

SMALL = """# my own words
data: {type: iris, batch_size: 30}
model: {type: mlp, hidden: [8]}
optimizer: {type: sgd, lr: 0.05}
trainer: {length: 12 steps, clip: 1.0}
"""
QUICK = ("--seconds", 0.1)


@pytest.fixture(autouse=True)
def threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And no compiler, whose ways take long: tests/capture/test_compiled.py has it."""
    monkeypatch.setattr(ways, "lacking", lambda device: "no compiler")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def paces(monkeypatch: pytest.MonkeyPatch, **of: list[float]) -> None:
    """Lets each way have these speeds, one after the other: `own`, `bf16`, `capture` (true)."""

    def speed(self: timing.Timed, seconds: float) -> float:
        settings = self._parts.settings
        name = "bf16" if settings.precision == "bf16" else "capture" if settings.capture is True else "own"
        return of[name].pop(0) if len(of[name]) > 1 else of[name][0]

    monkeypatch.setattr(timing.Timed, "speed", speed)
    monkeypatch.setattr(ways, "has_bf16", lambda device: True)
    monkeypatch.setattr(tune, "threads", lambda parts: iter(()))


def test_a_way_that_is_slower_the_second_time_is_no_longer_the_best(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "BEST", 1)
    paces(monkeypatch, own=[100.0], capture=[120.0], bf16=[150.0, 110.0, 1.0])
    done = command("tune", write(SMALL), *QUICK, "--json")
    assert (done.status, done.json["chosen"]) == (0, {}), done.err


def test_the_fastest_is_written_into_a_config_that_extends_the_old_one(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces(monkeypatch, own=[100.0], bf16=[150.0], capture=[120.0])
    done = command("tune", write(SMALL), "optimizer.lr=0.1", *QUICK, "--json")
    assert done.status == 0, done.err
    found = done.json
    assert found["chosen"] == {"precision": "bf16"} and found["ratio"] == 1.5
    tuned = load(found["out"])
    assert Path(found["out"]).name == "my_tuned.yaml"
    assert tuned.data["trainer"] == {"length": "12 steps", "clip": 1.0, "precision": "bf16"}
    assert tuned.data["optimizer"] == {"type": "sgd", "lr": 0.1} and tuned.data["data"] == load("my.yaml").data["data"]
    assert command("fit", found["out"], "--json").json["status"] == "finished"


def test_really_timed_ways_stand_in_a_table(write: Write, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways.os, "sched_getaffinity", lambda process: {0, 1, 2})
    done = command("tune", write(SMALL), "trainer.threads=1", *QUICK, "--out", "fast.yaml")
    assert done.status == 0, done.err
    for said in ("as the config says", "capture=true", "threads=2", "threads=3", "chosen", "same bits"):
        assert said in done.out
    assert ("fast.yaml" in done.out) == Path("fast.yaml").exists()


def test_luck_at_the_first_try_does_not_choose(write: Write, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    paces(monkeypatch, own=[100.0], bf16=[90.0], capture=[300.0, 99.0, 98.0])
    done = command("tune", write(SMALL), *QUICK)
    assert "nothing is written" in done.out and not Path("my_tuned.yaml").exists()


def test_what_is_hardly_faster_is_left(write: Write, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    paces(monkeypatch, own=[100.0], bf16=[102.0], capture=[101.0])
    assert command("tune", write(SMALL), *QUICK, "--json").json["out"] is None


def test_ways_that_fail_are_shown_with_their_reason(write: Write, command: Command) -> None:
    done = command("tune", write(SMALL), "optimizer=lbfgs", "trainer.clip=null", *QUICK, "--json")
    assert done.status == 0, done.err
    reasons = [way["reason"] for way in done.json["ways"] if way["settings"].get("capture") is True]
    assert reasons and all(r == "the optimizer looks at more than one point in a step" for r in reasons)
    assert done.json["chosen"].get("capture") is not True


def test_what_changes_results_is_said(write: Write, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    paces(monkeypatch, own=[100.0], bf16=[150.0], capture=[120.0])
    found = command("tune", write(SMALL), *QUICK, "--json").json["ways"]
    results = {str(way["settings"]): way["results"] for way in found}
    assert results["{'capture': True}"] == "same bits"
    assert results["{'precision': 'bf16'}"].startswith("less exact")


def test_images_are_tried_with_channels_last(write: Write, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    paces(monkeypatch, own=[100.0], bf16=[150.0], capture=[120.0])
    config = write("data: {type: digits, batch_size: 64}\nmodel: {type: cnn}\ntrainer: {length: 9 steps}\n")
    tried = [way["settings"] for way in command("tune", config, *QUICK, "--json").json["ways"]]
    assert {"channels_last": True} in tried and {"precision": "bf16", "channels_last": True} in tried
    flat = command("tune", write(SMALL), *QUICK, "--json", "--out", "flat.yaml").json["ways"]
    assert not any("channels_last" in way["settings"] for way in flat)


def test_nothing_is_overwritten_and_nothing_wrong_is_timed(write: Write, command: Command) -> None:
    config = write(SMALL)
    write("mine", "my_tuned.yaml")
    done = command("tune", config, *QUICK)
    assert done.status == 2 and "nothing is overwritten" in done.err and "timing" not in done.err
    assert Path("my_tuned.yaml").read_text() == "mine"
    assert command("tune", config, "--out", "no/such/folder.yaml").status == 2
    wrong = command("tune", config, "optimizer.lrr=1", "--out", "new.yaml")
    assert wrong.status == 2 and "unknown setting of sgd" in wrong.err and not Path("new.yaml").exists()


def test_of_a_shipped_config_the_file_is_written_here(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    paces(monkeypatch, own=[100.0], bf16=[150.0], capture=[120.0])
    found = command("tune", "mlp_xor", *QUICK, "--json")
    assert found.status == 0, found.err
    assert Path("mlp_xor_tuned.yaml").is_file()
    assert load("mlp_xor_tuned.yaml").data["trainer"]["precision"] == "bf16"


def test_an_override_that_no_config_can_extend_by_is_refused(write: Write, command: Command) -> None:
    config = write(SMALL + "regularizers: [{type: l2, weight: 0.001}]\n")
    done = command("tune", config, "regularizers.0.weight=0.1")
    assert done.status == 2 and "changes an entry of a list" in done.err


def test_a_batch_size_that_is_to_be_found_is_found_once(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces(monkeypatch, own=[100.0], bf16=[150.0], capture=[120.0])
    config = write(SMALL.replace("batch_size: 30", "batch_size: auto"))
    done = command("tune", config, *QUICK)
    assert done.status == 0 and done.err.count("trying real updates") == 1
    assert load("my_tuned.yaml").data["data"]["batch_size"] == "auto"


def test_precision_is_left_where_it_is_double(write: Write) -> None:
    from nntrain.plan import plan
    from nntrain.request import document

    parts = plan(document(str(write(SMALL)), ["trainer.precision=fp64"], lambda note: None)).parts(0)
    assert all("precision" not in way.changes for way in ways.ways(parts))
    with pytest.raises(UserError):
        tune.tune("nowhere.yaml", [], 0.1, None, lambda note: None)
