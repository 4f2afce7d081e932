"""A picture of what a network is trained on: where TensorBoard finds it, and that looking changes nothing."""

import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Bitmap
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import Called
from nntrain import trainer
from nntrain.batch import Batch
from nntrain.grid import GAP, LINE, grid, label
from nntrain.specs import Classes, Values
from nntrain.update import Update
from runs import at_step, instant_disk, only_run, same_run  # noqa: F401

CONFIG = """
data: {type: digits, batch_size: 16, augment: [rotate, erase], mix: mixup}
model: {type: mlp, hidden: [8], dropout: 0.2}
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
"""
CLASSES = Classes(("cat", "dog", "a very long name indeed"))
Command, Write = Callable[..., Called], Callable[..., Path]


def pictures(run: Path) -> dict[str, list[Any]]:
    reader = EventAccumulator(str(run / "train"))
    reader.Reload()
    return {tag: reader.Images(tag) for tag in reader.Tags()["images"]}


def test_a_run_on_augmented_images_shows_its_first_batch(command: Command, write: Write) -> None:
    assert command("fit", write(CONFIG), "--out", "runs").status == 0
    (tag, (event,)), *others = pictures(only_run(Path("runs"))).items()
    assert tag == "examples/augmented" and not others and event.step == 0
    image = Bitmap.open(io.BytesIO(event.encoded_image_string))
    assert image.size == (event.width, event.height) and image.format == "PNG"
    pixels = np.asarray(image)
    assert pixels.min() == 0 and pixels.max() == 255 and len(np.unique(pixels)) > 50


@pytest.mark.parametrize(
    "data", ["{type: digits}", "{type: iris, augment: [noise]}", "{type: moving_shapes, examples: 40, augment: [flip]}"]
)
def test_other_runs_show_none(data: str, command: Command, write: Write) -> None:
    model = "linear" if "moving" in data else "{type: mlp, hidden: [4]}"
    config = write(f"data: {data}\nmodel: {model}\ntrainer: {{length: 3 steps}}\n")
    assert command("fit", config, "--out", "runs").status == 0
    assert pictures(only_run(Path("runs"))) == {}


def test_looking_changes_no_bit(command: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(CONFIG)
    assert command("fit", path, "--out", "seen").status == 0
    monkeypatch.setattr(trainer, "augmented_examples", lambda *_: None)
    assert command("fit", path, "--out", "unseen").status == 0
    same_run(only_run(Path("seen")), only_run(Path("unseen")))
    assert pictures(only_run(Path("unseen"))) == {}


def test_the_picture_is_of_the_batch_that_the_first_step_sees(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Batch] = []
    trained: list[Batch] = []
    show, update = grid, Update.__call__

    def note(batch: Batch, targets: Any) -> Any:
        drawn.append(batch)
        return show(batch, targets)

    def watched(self: Update, step: int, batches: list[Batch], factor: float) -> Any:
        trained.append(batches[0])
        return update(self, step, batches, factor)

    monkeypatch.setattr("nntrain.gallery.grid", note)
    monkeypatch.setattr(Update, "__call__", watched)
    assert command("fit", write(CONFIG), "--out", "runs").status == 0
    assert torch.equal(drawn[0].inputs, trained[0].inputs) and torch.equal(drawn[0].targets, trained[0].targets)


def test_images_lie_side_by_side_from_dark_to_bright() -> None:
    images = torch.zeros(10, 1, 40, 40)
    images[3, 0, 0, 0], images[9] = 2.0, 1.0
    picture = grid(Batch(images, torch.arange(10) % 3), CLASSES)
    pixels = np.asarray(Bitmap.open(io.BytesIO(picture.png)))
    assert pixels.shape == (picture.height, picture.width, 3)
    height, width = 80 + LINE + GAP, 80 + GAP  # twice as large as they are, eight in a row
    assert (picture.width, picture.height) == (8 * width + GAP, 2 * height + GAP)
    assert pixels[GAP, GAP + 3 * width].tolist() == [255] * 3 and pixels[GAP + 2, GAP + 3 * width + 2].max() == 0
    assert (pixels[GAP + height : GAP + height + 80, GAP + width : GAP + width + 80] == 128).all()
    assert (pixels[GAP : GAP + 80, GAP : GAP + 80] == 0).all()


def test_colours_are_kept() -> None:
    images = torch.zeros(3, 3, 100, 90)
    for i in range(3):
        images[i, i] = 1.0
    pixels = np.asarray(Bitmap.open(io.BytesIO(grid(Batch(images, torch.arange(3)), CLASSES).png)))
    for i in range(3):
        assert pixels[50, GAP + i * (90 + GAP) + 40].tolist() == [255 * (i == j) for j in range(3)]


@pytest.mark.parametrize(
    ("target", "targets", "lines"),
    [
        (torch.tensor(1), CLASSES, ["dog"]),
        (torch.tensor([0.25, 0.75, 0.0]), CLASSES, ["75% dog", "25% cat"]),
        (torch.tensor([1.0, 0.0, 0.0]), CLASSES, ["100% cat"]),
        (torch.tensor([1.23456, -2.0]), Values(("a", "b")), ["1.23 -2"]),
    ],
)
def test_labels_say_what_an_example_is(target: Any, targets: Any, lines: list[str]) -> None:
    assert label(target, targets) == lines


def test_the_images_of_a_data_set_are_labelled_too(command: Command) -> None:
    assert command("data", "digits", "--pictures", "digits.png").status == 0
    assert np.asarray(Bitmap.open("digits.png")).shape[1] == 8 * (80 + GAP) + GAP


@pytest.mark.parametrize("step", [2, 11])
def test_a_resumed_run_shows_the_picture_once(
    step: int, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(CONFIG)
    assert command("fit", path, "--out", "whole").status == 0
    with monkeypatch.context() as patch:
        at_step(patch, step, lambda: signal.raise_signal(signal.SIGINT))
        assert command("fit", path, "--out", "runs").status == 130
    assert command("fit", "--resume", only_run(Path("runs"))).status == 0
    (whole,), (seen,) = (pictures(only_run(Path(name))).get("examples/augmented", []) for name in ("whole", "runs"))
    assert seen.encoded_image_string == whole.encoded_image_string
