"""One object: its class and its box, by formulas and by the command line."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from made import made
from torch import Tensor

from conftest import Called
from nntrain.batch import Batch
from nntrain.errors import UnfitError
from nntrain.specs import ClassAndBox, Image
from nntrain.tasks.given import Given
from runs import at_step, instant_disk, pictures, same_run  # noqa: F401

Command = Callable[..., Called]
PLACED = ClassAndBox(("cat", "dog", "cow"), height=20, width=40)
SHAPES = """
data: {type: single_shapes, examples: 120, size: 24, batch_size: 20, augment: [{type: shift, pixels: 3}, flip]}
model: {type: cnn, blocks: [{type: convolution, channels: 4, stride: 2}], readout: flatten}
trainer: {length: 10 steps, evaluate: 5 steps, save: 3 steps, log: 2 steps, preflight: false}
"""


def example() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(6, 7, generator=generator)
    edges = torch.tensor([[4.0, 2, 20, 12], [0, 0, 40, 20], [10, 10, 12, 12]]).repeat(2, 1)
    return outputs, torch.cat((torch.tensor([[0.0], [2], [1]]).repeat(2, 1), edges), dim=1)


def test_the_loss_by_hand() -> None:
    outputs, targets = example()
    task = made("task", {"type": "localization", "box_loss": "absolute", "box_weight": 3}, PLACED)
    x, y, w, h = outputs[:, 3:].sigmoid().unbind(dim=1)
    box = torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), dim=1)
    off = (box - targets[:, 1:] / torch.tensor([40, 20, 40, 20])).abs().mean()
    expected = F.cross_entropy(outputs[:, :3], targets[:, 0].long()) + 3 * off
    batch = Batch(None, targets)
    assert float(task.loss(outputs, batch).over(task.counts(batch))) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("box_loss", ["huber", "squared", "giou"])
def test_the_loss_does_not_depend_on_batches(box_loss: str) -> None:
    outputs, targets = example()
    task = made("task", {"type": "localization", "box_loss": box_loss}, PLACED)

    def mean(size: int) -> float:
        parts = [Batch(None, t) for t in targets.split(size)]
        found = [task.loss(z, batch) for z, batch in zip(outputs.split(size), parts, strict=True)]
        whole = {name: sum(task.counts(batch)[name] for batch in parts) for name in ("class", "box")}
        return float(sum(loss.over(whole) for loss in found))

    assert [mean(4), mean(1)] == pytest.approx([mean(6)] * 2, rel=1e-5)


def test_boxes_are_measured_and_told_in_pixels() -> None:
    """Outputs of zero are a box in the middle, half as wide and as high as the picture."""
    task = made("task", "localization", PLACED)
    outputs = torch.zeros(1, 7)
    outputs[0, 1] = 5.0
    outcome = task.evaluate(Given(outputs), Batch(None, torch.tensor([[1.0, 10, 5, 30, 15]])))
    assert outcome.predictions["box"].tolist() == [[10, 5, 30, 15]]
    (answer,) = task.answers(outcome)
    assert answer["class"] == "dog" and answer["box"] == [10, 5, 30, 15] and answer["probability"] > 0.9
    assert outcome.loss is not None and float(outcome.loss["box"].sum) == 0
    assert outcome.apart["class"].sum == outcome.loss["class"].sum


def test_samples_show_both_boxes() -> None:
    task = made("task", "localization", PLACED)
    batch = Batch(torch.rand(2, 1, 20, 40), torch.tensor([[1.0, 10, 5, 30, 15], [0, 0, 0, 8, 8]]))
    (sample,) = task.samples(Given(torch.zeros(2, 7)), batch, Image(1, 20, 40))
    assert sample.name == "boxes" and sample.drawn.width > 2 * 80


def test_outputs_of_another_shape_are_refused() -> None:
    outputs, targets = example()
    with pytest.raises(UnfitError, match=r"of shape \(6, 5\), for these targets of \(6, 7\)"):
        made("task", "localization", PLACED).loss(outputs[:, :5], Batch(None, targets))


def test_losses_that_measure_no_boxes_are_refused(write: Callable[..., Path], command: Command) -> None:
    called = command("check", write(f"{SHAPES}task: {{type: localization, box_loss: hinge}}\n"))
    assert called.status == 2
    assert "task.box_loss: hinge takes classes" in called.err and "giou" in called.err


def test_a_stopped_run_with_moved_boxes_ends_like_a_whole_one(
    write: Callable[..., Path], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(SHAPES)
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", config, "--out", "stopped", "--json")
    assert stopped.status == 130, stopped.err
    assert command("fit", "--resume", stopped.json["run"]).status == 0
    same_run(whole, Path(stopped.json["run"]))
    shown = pictures(whole)
    assert shown == pictures(Path(stopped.json["run"])) and ("boxes", 10) in shown


@pytest.mark.parametrize("model", ["{type: resnet, depth: 8, stem: cifar, width: 4}", "{type: mlp, hidden: [8]}"])
def test_any_model_of_images_gets_the_head(model: str, write: Callable[..., Path], command: Command) -> None:
    text = SHAPES.replace(SHAPES.splitlines()[2], f"model: {model}")
    assert command("check", write(text)).status == 0


def test_fit_eval_and_predict_by_the_command_line(write: Callable[..., Path], command: Command, tmp_path: Path) -> None:
    run: Any = command("fit", write(SHAPES), "--json").json
    assert run["best"]["metric"] == "dev/localization_error"
    assert run["dev"].keys() == {
        "loss", "loss/class", "loss/box", "localization_error", "class/error_rate", "box_iou"
    }  # fmt: skip
    assert run["dev"]["loss"] == pytest.approx(run["dev"]["loss/class"] + 100 * run["dev"]["loss/box"], rel=1e-5)
    printed = command("eval", run["run"], "--split", "test")
    assert printed.status == 0 and "confusion matrix" in printed.out and "box_iou" in printed.out
    PIL.Image.new("RGB", (24, 24), "red").save(tmp_path / "one.png")
    (row,) = [json.loads(line) for line in command("predict", run["run"], "one.png").out.splitlines()]
    assert row.keys() == {"file", "class", "probability", "box"} and len(row["box"]) == 4


def test_look_shows_boxes(command: Command, tmp_path: Path) -> None:
    seen = command("data", "single_shapes", "data.examples=40", "--pictures", "seen.png")
    assert seen.status == 0, seen.err
    assert "4 classes, and a box" in seen.out and "triangle" in seen.out
    assert (tmp_path / "seen.png").exists()
