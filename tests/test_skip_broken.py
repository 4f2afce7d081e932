"""Training examples that turn out broken while they are read: named, left out up to a share, and resumed alike."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import Called
from nntrain.data.image_split import stand_ins
from nntrain.data.unread import Broken, Unread
from nntrain.errors import RunError, UnfitError
from runs import at_step, bits, instant_disk, last, only_run, records, same_run, summary_of  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

PICTURES = """
data:
  {type: image_folder, path: set/pictures, batch_size: 4, keep: {type: files, workers: 0}, split: {dev: 0.2, test: 0.2}}
model: {type: mlp, hidden: [4], dropout: 0.2}
trainer: {length: 4 epochs, evaluate: 5 steps, save: 3 steps, log: 2 steps, preflight: false, samples: false}
"""
MASKS = """
data:
  {type: mask_folder, path: set/masks, batch_size: 4, keep: {type: files, workers: 0}, split: {dev: 0.2, test: 0.2}}
model: {type: unet, width: 2, depth: 1, norm: none}
trainer: {length: 3 epochs, evaluate: 5 steps, save: 3 steps, log: 2 steps, preflight: false, samples: false}
"""


@pytest.fixture(autouse=True)
def drawn(tmp_path: Path) -> Path:
    """40 pictures of two classes, and the same with masks."""
    for i in range(40):
        noise = np.random.default_rng(i).integers(0, 60, (8, 8, 3))
        picture = Image.fromarray((noise + 120 * (i % 2)).astype(np.uint8))
        mask = Image.fromarray((noise[:, :, 0] > 30).astype(np.uint8))
        for place, content in (("pictures/" + "ab"[i % 2], picture), ("masks/images", picture), ("masks/masks", mask)):
            (tmp_path / "set" / place).mkdir(parents=True, exist_ok=True)
            content.save(tmp_path / "set" / place / f"{i:02}.png")
    return tmp_path / "set"


def breaks(path: Path) -> Path:
    """Leaves the first half of a picture: its header says that it is one."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "broken.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_example_is_left_out_said_once_counted_and_listed(
    workers: int, command: Command, write: Write, drawn: Path
) -> None:
    broken = [breaks(path) for path in training_files(command, write, drawn)[:2]]
    config = write(PICTURES)
    fitted = command("fit", config, "trainer.skip_broken=10%", f"data.keep.workers={workers}", "--json")
    assert fitted.status == 0, fitted.err
    for path in broken:
        assert fitted.err.count(f"left out, and another in its place: {path} (number ") == 1
    assert fitted.json["broken"] == 2
    listed = lines(Path(fitted.json["run"]))
    assert {line["file"] for line in listed} == {str(path) for path in broken}
    assert all("truncated" in line["reason"] and isinstance(line["example"], int) for line in listed)
    assert all(np.isfinite(record["train"]["loss"]) for record in records(Path(fitted.json["run"])))


def training_files(command: Command, write: Write, drawn: Path, config: str = PICTURES) -> list[Path]:
    """Files of the training set, in the order in which it has them."""
    from nntrain.assemble import assemble
    from nntrain.config import load

    data = assemble(load(write(config), ["name=x"])).data
    numbers = data.train.numbers.tolist()  # type: ignore[attr-defined]
    return [Path(data._listing.files[number]) for number in numbers]  # type: ignore[attr-defined]


def test_without_the_setting_it_ends_the_run_with_its_name(
    command: Command, write: Write, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = training_files(command, write, drawn)[5]
    at_step(monkeypatch, 3, lambda: breaks(broken))
    failed = command("fit", write(PICTURES), "--json")
    assert (failed.status, failed.json["status"]) == (1, "failed")
    assert f"{broken} (number " in failed.json["reason"] and "trainer.skip_broken" in failed.json["reason"]


def test_over_the_share_the_run_ends_with_one_sentence(
    command: Command, write: Write, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = training_files(command, write, drawn)
    config = write(PICTURES)
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: [breaks(path) for path in files[:3]])
        few = command("fit", config, "trainer.skip_broken=5%", "--json")
    assert (few.status, few.json["status"]) == (1, "failed")
    assert few.err.count("error:") == 1
    assert len(lines(Path(few.json["run"]))) == few.json["broken"] == 2
    assert f"2 of {len(files)} training examples could not be read, more than the 5%" in few.json["reason"]
    assert "Traceback" not in few.err
    most = command("fit", config, "trainer.skip_broken=15%", "--json")
    assert (most.status, most.json["broken"]) == (0, 3)


def test_a_broken_dev_example_ends_the_run(command: Command, write: Write, drawn: Path) -> None:
    files = set(training_files(command, write, drawn))
    for path in sorted((drawn / "pictures").rglob("*.png")):
        if path not in files:
            breaks(path)
    failed = command("fit", write(PICTURES), "trainer.skip_broken=50%", "--json")
    assert (failed.status, failed.json["status"]) == (1, "failed")
    assert "is not a whole picture" in failed.json["reason"] and "skip_broken" not in failed.json["reason"]


@pytest.mark.parametrize("text", [PICTURES, MASKS], ids=["pictures", "masks"])
def test_it_ends_alike_with_any_number_of_workers_and_wherever_it_was_stopped(
    text: str, command: Command, write: Write, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = training_files(command, write, drawn, text)
    breaks(files[1])
    breaks(files[6] if text is PICTURES else drawn / "masks" / "masks" / files[6].name)
    config = write(text)
    share = "trainer.skip_broken=20%"
    whole = Path(command("fit", config, share, "--out", "whole", "--json").json["run"])
    assert summary_of(whole)["broken"] == 2
    with_workers = Path(command("fit", config, share, "data.keep.workers=2", "--out", "w", "--json").json["run"])
    assert bits(last(with_workers)) == bits(last(whole))
    assert (with_workers / "broken.jsonl").read_bytes() == (whole / "broken.jsonl").read_bytes()
    for step in (2, 5, 8):
        out = tmp_path / f"stopped-{step}"
        with monkeypatch.context() as patch:
            at_step(patch, step, lambda: signal.raise_signal(signal.SIGTERM))
            assert command("fit", config, share, "--out", out).status == 143
        assert command("fit", "--resume", only_run(out)).status == 0
        same_run(whole, only_run(out))
        assert (only_run(out) / "broken.jsonl").read_bytes() == (whole / "broken.jsonl").read_bytes()


def test_a_batch_none_of_which_can_be_read_has_the_example_that_follows(
    command: Command, write: Write, drawn: Path
) -> None:
    files = training_files(command, write, drawn)
    for path in files[:2]:
        breaks(path)
    fitted = command("fit", write(PICTURES), "data.batch_size=1", "trainer.skip_broken=10%", "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["broken"] == 2


def test_a_run_that_a_broken_example_ended_goes_on_without_it(
    command: Command, write: Write, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = training_files(command, write, drawn)[5]
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: breaks(path))
        failed = command("fit", write(PICTURES), "--json")
    assert failed.json["status"] == "failed"
    goes_on = command("fit", "--resume", failed.json["run"], "trainer.skip_broken=5%", "--json")
    assert (goes_on.status, goes_on.json["broken"]) == (0, 1)
    measured = command("eval", failed.json["run"], "--split", "train")  # by the setting of the run
    assert measured.status == 0 and str(path) in measured.err


@pytest.mark.parametrize("share", ["0%", "100%", "-1%", "0.001", "1", "some", "5 %%", "1 epoch"])
def test_what_is_no_share_is_refused(share: str, command: Command, write: Write) -> None:
    refused = command("check", write(PICTURES), f"trainer.skip_broken={share}")
    assert refused.status == 2
    assert "trainer.skip_broken" in refused.err


@pytest.mark.parametrize("data", ["digits", "{type: image_folder, path: set/pictures, keep: memory}"])
def test_it_is_refused_where_nothing_is_read_while_training(data: str, command: Command, write: Write) -> None:
    refused = command("fit", write(f"data: {data}\nmodel: linear\ntrainer: {{skip_broken: 0.1%}}\n"))
    assert refused.status == 2
    assert "trainer.skip_broken: nothing is read from files" in refused.err and "data.keep=files" in refused.err


# --- The parts.


def test_the_next_whole_one_of_the_batch_stands_in() -> None:
    assert stand_ins(4, {1}) == [0, 2, 2, 3]
    assert stand_ins(4, {1, 2}) == [0, 3, 3, 3]
    assert stand_ins(3, {2}) == [0, 1, 0]


def test_the_targets_of_a_stand_in_come_with_it(command: Command, write: Write, drawn: Path) -> None:
    from nntrain.assemble import assemble
    from nntrain.config import load

    config = load(write(PICTURES), ["name=x", "data.standardize=false", "trainer.skip_broken=10%"])
    train = assemble(config).data.train
    numbers = torch.tensor([2, 5, 7, 1])
    ((before,),) = train.stream([[numbers]])
    breaks(training_files(command, write, drawn)[5])
    ((after,),) = train.stream([[numbers]])
    assert torch.equal(after.inputs, before.inputs[[0, 2, 2, 3]])
    assert torch.equal(after.targets, before.targets[[0, 2, 2, 3]])


def test_a_file_is_counted_once_and_no_more_than_the_share() -> None:
    unread = Unread(lambda: 20)
    unread.allow(0.1)
    one, two, three = (Broken(i, f"{i}.png", "truncated") for i in range(3))
    unread.see({3: one})
    unread.see({0: one, 1: two})
    assert [row["example"] for row in unread.news()] == [0, 1] and unread.news() == []
    other = Unread(lambda: 20)
    other.allow(0.1)
    other.restore(json.loads(json.dumps(unread.state())))
    assert other.news() == []
    with pytest.raises(RunError, match=r"3 of 20 training examples .* 10% .*2.png \(number 2\)"):
        other.see({0: three})
    noted = Unread(lambda: 20)
    noted.note({0: one})
    with pytest.raises(UnfitError, match=r"0\.png"):
        noted.allow(None)
