"""The share of the steps' time that they wait for data: what counts, where it is logged, and when it is said."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nntrain.storages.files import _Files
from nntrain.waiting import Waiting, advice
from runs import TINY, instant_disk, only_run, records, scalars, summary_of  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]


def updates(seconds: float, first: float = 0.0) -> Iterator[int]:
    """Batches of which each takes a while, the first one longer."""
    time.sleep(first)
    while True:
        time.sleep(seconds)
        yield 0


def test_it_is_the_share_of_the_time_from_one_step_to_the_next() -> None:
    waiting = Waiting()
    watched = waiting.around(updates(0.006))
    for _ in range(10):
        next(watched)
        time.sleep(0.002)
    assert 0.55 < waiting.read()["data_wait"] < 0.9


def test_the_first_step_and_what_is_between_steps_do_not_count() -> None:
    waiting = Waiting()
    watched = waiting.around(updates(0.002, first=0.2))
    assert waiting.read() == {} and waiting.share() is None
    for _ in range(10):
        next(watched)
        time.sleep(0.002)
        with waiting.apart():
            time.sleep(0.02)
    assert 0.2 < waiting.share() < 0.8  # with the first batch it were more, with what is between the steps 0.1


def test_a_reading_begins_anew_and_the_share_goes_over_all() -> None:
    waiting = Waiting()
    watched = waiting.around(updates(0.01))
    for _ in range(6):
        next(watched)
    first = waiting.read()["data_wait"]
    time.sleep(0.05)
    assert first > 0.8 and waiting.read()["data_wait"] == 0
    assert 0.3 < waiting.share() < 0.7


def test_it_is_logged_with_the_progress_of_training(command: Command, write: Write, tmp_path: Path) -> None:
    command("fit", write(TINY))
    run = only_run(tmp_path / "runs")
    shares = [record["train"]["data_wait"] for record in records(run)]
    assert len(shares) == 6 and all(0 < share < 1 for share in shares)
    assert len(scalars(run, "train")["data_wait"]) > len(shares)  # at log, too
    assert 0 < summary_of(run)["data_wait"] < 1
    assert "data_wait" not in summary_of(run)["train"]  # it is no metric


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for i in range(32):
        path = tmp_path / "pictures" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 100 * (i % 2), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


CONFIG = """
data: {type: image_folder, path: pictures, batch_size: 4, standardize: false, keep: KEEP}
model: linear
trainer: {length: 20 steps, evaluate: 100%, preflight: false, samples: false}
"""


@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        ("{type: files, workers: 0}", "'data.keep={type: files, workers: 2}' (0 now, 4 cores), or data.keep=disk"),
        ("memory", None),
    ],
)
def test_where_data_is_read_while_training_a_long_wait_is_said_with_what_to_set(
    command: Command,
    write: Write,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    keep: str,
    sentence: str | None,
) -> None:
    decode = _Files.__getitem__

    def slowly(self: _Files, number: int) -> Any:
        time.sleep(0.005)
        return decode(self, number)

    monkeypatch.setattr(_Files, "__getitem__", slowly)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    called = command("fit", write(CONFIG.replace("KEEP", keep)), "--json")
    assert called.status == 0
    said = [line for line in called.err.splitlines() if "waited for data" in line]
    if sentence is None:
        assert said == []
    else:
        assert called.json["data_wait"] > 0.1
        assert len(said) == 1 and sentence in said[0]


def test_what_the_sentence_says_can_be_set(command: Command, write: Write, pictures: Path) -> None:
    config = write(CONFIG.replace("KEEP", "auto"))
    for setting in ("data.keep={type: files, workers: 2}", "data.keep=disk", "data.keep=memory"):
        assert command("fit", config, setting, "--json").json["status"] == "finished"


def test_nothing_is_said_of_short_waits_or_where_nothing_helps() -> None:
    assert advice(0.1, "more") is None and advice(None, "more") is None and advice(0.5, "") is None
    assert advice(0.345, "more") == "the steps waited for data in 34% of their time; to wait less: more"
