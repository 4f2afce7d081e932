"""Records: what is written is read back by TensorBoard, and is cut to a known length."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from nntrain.errors import UserError
from nntrain.writers import Journal, JsonLines, Writers, finite
from runs import scalars


def record(step: int) -> dict[str, object]:
    return {"step": step, "train": {"loss": 1 / step, "objective": 2.0, "lr": 0.1}, "dev": {"loss": 2 / step}}


def written(folder: Path, first: int, after_last: int, lengths: dict[str, int] | None = None) -> dict[str, int]:
    """Writes progress and an evaluation for each step; returns the lengths before the last one."""
    writers = Writers(folder, lengths)
    writers.open()
    synced: dict[str, int] = {}
    for step in range(first, after_last):
        synced = writers.sync()
        writers.progress({"objective": 3.0}, 10 * step - 5)
        writers.evaluation(record(10 * step), by_epoch=step)
    writers.close()
    return synced


def test_tensorboard_reads_every_point(tmp_path: Path) -> None:
    written(tmp_path, 1, 4)
    train, dev = scalars(tmp_path, "train"), scalars(tmp_path, "dev")
    assert set(dev) == {"loss", "by_epoch/loss"}
    assert set(train) == {f"{prefix}{tag}" for prefix in ("", "by_epoch/") for tag in ("loss", "objective", "lr")}
    assert train["objective"] == [(5, 3.0), (10, 2.0), (15, 3.0), (20, 2.0), (25, 3.0), (30, 2.0)]
    assert train["by_epoch/objective"] == [(1, 2.0), (2, 2.0), (3, 2.0)]
    assert dev["loss"] == [(step, float(np.float32(2 / step))) for step in (10, 20, 30)]
    assert dev["by_epoch/loss"] == [(step, float(np.float32(0.2 / step))) for step in (1, 2, 3)]


def test_without_a_full_epoch_nothing_is_drawn_against_epochs(tmp_path: Path) -> None:
    writers = Writers(tmp_path, None)
    writers.open()
    writers.evaluation(record(10), by_epoch=None)
    writers.close()
    assert set(scalars(tmp_path, "train")) == {"loss", "objective", "lr"}


def test_without_a_dev_set_its_curves_are_empty(tmp_path: Path) -> None:
    writers = Writers(tmp_path, None)
    writers.open()
    writers.evaluation({"step": 1, "train": {"loss": 1.0}, "dev": None}, by_epoch=1)
    writers.close()
    assert scalars(tmp_path, "dev") == {}
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "train": {"loss": 1.0}, "dev": None}


def test_what_follows_the_known_lengths_is_cut_off(tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    for folder in (whole, resumed):
        folder.mkdir()
    written(whole, 1, 7)
    lengths = written(resumed, 1, 5)
    for path in lengths:
        with (resumed / path).open("ab") as file:
            file.write(b"torn")
    written(resumed, 4, 7, lengths)
    assert (resumed / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    for part in ("train", "dev"):
        assert scalars(resumed, part) == scalars(whole, part)


def test_an_event_file_begins_with_its_version_and_only_once(tmp_path: Path) -> None:
    lengths = written(tmp_path, 1, 3)
    written(tmp_path, 2, 4, lengths)
    for part in ("train", "dev"):
        (path,) = (tmp_path / part).iterdir()
        versions = [event.file_version for event in EventFileLoader(str(path)).Load()]
        assert versions[0] == "brain.Event:2"
        assert len(versions) > 3
        assert not any(versions[1:])


def test_without_known_lengths_all_is_written_anew(tmp_path: Path) -> None:
    written(tmp_path, 1, 5)
    written(tmp_path, 1, 3)
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [10, 20]
    assert [step for step, _ in scalars(tmp_path, "dev")["loss"]] == [10, 20]


def test_an_evaluation_is_on_disk_at_once(tmp_path: Path) -> None:
    writers = Writers(tmp_path, None)
    writers.open()
    writers.evaluation(record(10), by_epoch=None)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    assert [step for step, _ in scalars(tmp_path, "dev")["loss"]] == [10]
    writers.close()


def test_the_lengths_are_those_of_the_files(tmp_path: Path) -> None:
    writers = Writers(tmp_path, None)
    writers.open()
    writers.evaluation(record(10), by_epoch=1)
    lengths = writers.sync()
    assert lengths == {path: (tmp_path / path).stat().st_size for path in lengths}
    assert sorted(path.partition("/")[0] for path in lengths) == ["dev", "metrics.jsonl", "train"]
    writers.close()


@pytest.mark.parametrize("part", ["metrics.jsonl", "train", "dev"])
def test_files_shorter_than_known_are_refused_and_left_alone(part: str, tmp_path: Path) -> None:
    lengths = written(tmp_path, 1, 4)
    (short,) = (path for path in lengths if path.startswith(part))
    (tmp_path / short).write_bytes((tmp_path / short).read_bytes()[: lengths[short] - 1])
    before = {path: (tmp_path / path).read_bytes() for path in lengths}
    with pytest.raises(UserError, match="shorter"):
        Writers(tmp_path, lengths)
    assert {path: (tmp_path / path).read_bytes() for path in lengths} == before
    (tmp_path / short).unlink()
    with pytest.raises(UserError, match="shorter"):
        Writers(tmp_path, lengths)


def test_numbers_that_are_not_finite_are_null_in_json(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "some.jsonl")
    journal.open(0)
    JsonLines(journal).write({"train": {"loss": math.nan, "r2": -math.inf, "mae": 0.5}, "list": [1, math.inf]})
    journal.close()
    text = (tmp_path / "some.jsonl").read_text()
    assert text == '{"train": {"loss": null, "r2": null, "mae": 0.5}, "list": [1, null]}\n'


def test_numbers_that_are_not_finite_are_drawn_as_they_are(tmp_path: Path) -> None:
    writers = Writers(tmp_path, None)
    writers.open()
    writers.evaluation({"step": 1, "train": {"loss": math.inf}, "dev": {"loss": math.nan}}, by_epoch=None)
    writers.close()
    assert scalars(tmp_path, "train")["loss"] == [(1, math.inf)]
    assert math.isnan(scalars(tmp_path, "dev")["loss"][0][1])


def test_what_json_can_say_stays_as_it_is() -> None:
    value = {"a": [1, 0.5, "nan", None, True, {"b": -0.0}], "c": 10**20}
    assert finite(value) == value
    assert finite((1.0, math.nan)) == [1.0, None]
