"""Masks: what counts, the same loss however a split is divided, and runs by the command line."""

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from made import made
from torch import Tensor

from conftest import Called
from nntrain.batch import IGNORED, Batch
from nntrain.errors import UnfitError
from nntrain.overlays import palette
from nntrain.specs import Image, Mask
from nntrain.tasks.given import Given
from nntrain.tasks.segmentation import png_of
from runs import at_step, instant_disk, pictures, same_run  # noqa: F401

Command = Callable[..., Called]
MASK = Mask(("background", "thing", "other"), (60, 30, 10))
SHAPES = """
data: {type: shapes, examples: 60, size: 24, batch_size: 12, augment: [flip, {type: rotate, degrees: 20}, erase]}
model: {type: unet, width: 4, depth: 1}
trainer: {length: 10 steps, evaluate: 5 steps, save: 3 steps, log: 2 steps, preflight: false}
"""


def example(n: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(n, 4, 5, 3, generator=generator)
    labels = torch.randint(3, (n, 4, 5), generator=generator)
    labels[:, 0, 1] = IGNORED
    labels[2] = IGNORED  # a picture that counts nothing
    return outputs, labels


def losses(size: int, **settings: Any) -> list[float]:
    """In training and as measured, over batches of a size."""
    task = made("task", {"type": "segmentation", **settings}, MASK)
    outputs, labels = example()
    parts = [Batch(None, t) for t in labels.split(size)]
    sums = [[0.0, 0.0], [0.0, 0.0]]
    for z, batch in zip(outputs.split(size), parts, strict=True):
        outcome = task.evaluate(Given(z), batch)
        for total, loss in zip(sums, (task.loss(z, batch), outcome.loss), strict=True):
            total[0] += float(loss["loss"].sum)
            total[1] += float(outcome.counts["loss"])
    return [total / count for total, count in sums]


@pytest.mark.parametrize(
    "settings",
    [{}, {"loss": "dice"}, {"loss": "focal"}, {"class_weights": "balanced"}, {"label_smoothing": 0.2}],
    ids=str,
)
def test_the_loss_does_not_depend_on_batches(settings: Any) -> None:
    whole = losses(6, **settings)
    for size in (1, 4, 5):
        assert losses(size, **settings) == pytest.approx(whole, rel=1e-5)


def test_the_loss_is_that_of_torch_over_the_pixels_that_count() -> None:
    outputs, labels = example()
    expected = F.cross_entropy(outputs.movedim(-1, 1), labels, ignore_index=IGNORED)
    assert losses(6) == pytest.approx([float(expected)] * 2, rel=1e-5)
    weights = torch.tensor([100 / (3 * 60), 100 / (3 * 30), 100 / (3 * 10)])
    balanced = F.cross_entropy(outputs.movedim(-1, 1), labels, weights, ignore_index=IGNORED)
    assert losses(6, class_weights="balanced") == pytest.approx([float(balanced)] * 2, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "focal"])
def test_pixels_that_are_ignored_have_no_gradient(loss: str) -> None:
    outputs, labels = example()
    outputs.requires_grad_()
    task = made("task", {"type": "segmentation", "loss": loss}, MASK)
    task.loss(outputs, Batch(None, labels))["loss"].sum.backward()
    assert outputs.grad is not None
    assert not outputs.grad[labels == IGNORED].any() and outputs.grad[labels != IGNORED].any(dim=-1).all()


def test_outputs_of_another_size_are_refused() -> None:
    task, labels = made("task", "segmentation", MASK), torch.zeros(2, 8, 8, dtype=torch.long)
    with pytest.raises(UnfitError, match=r"of shape \(2, 4, 4, 3\), for these masks of \(2, 8, 8, 3\)"):
        task.loss(torch.zeros(2, 4, 4, 3), Batch(None, labels))


def test_samples_show_picture_truth_and_prediction() -> None:
    task = made("task", "segmentation", MASK)
    labels = torch.zeros(3, 16, 16, dtype=torch.long)
    labels[:, 4:8, 4:8] = 1
    model = Given(F.one_hot(labels, 3).float())
    (sample,) = task.samples(model, Batch(torch.rand(3, 1, 16, 16), labels), Image(1, 16, 16))
    drawn = np.asarray(PIL.Image.open(io.BytesIO(sample.drawn.png)))
    (picture, truth, found) = (drawn[4:84, 4 + i * 84 : 84 + i * 84].astype(int) for i in range(3))
    assert (truth == found).all() and (picture[:, :, 0] == picture[:, :, 1]).all()
    inside = truth[20:40, 20:40] - picture[20:40, 20:40]
    assert (inside[:, :, 0] > inside[:, :, 1]).all()  # the first colour is red
    assert (truth[:16] == picture[:16]).all()


def test_colours_are_those_of_voc() -> None:
    assert palette(5).tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert palette(21)[20].tolist() == [0, 64, 128] and palette(256)[255].tolist() == [224, 224, 192]
    assert len(set(map(tuple, palette(256).tolist()))) == 256


def test_a_written_mask_holds_the_numbers_of_the_classes() -> None:
    mask = torch.tensor([[0, 1], [2, 0]])
    read = PIL.Image.open(io.BytesIO(png_of(mask, {})))
    assert read.mode == "P" and np.asarray(read).tolist() == [[0, 1], [2, 0]]
    large = np.asarray(PIL.Image.open(io.BytesIO(png_of(mask, {"height": 2, "width": 4}))))
    assert large.tolist() == [[0, 0, 1, 1], [2, 2, 0, 0]]
    assert np.asarray(read.convert("RGB"))[0, 1].tolist() == [128, 0, 0]


def test_a_stopped_run_with_augmented_masks_ends_like_a_whole_one(
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
    assert shown == pictures(Path(stopped.json["run"]))
    assert ("examples/augmented", 0) in shown and ("masks", 10) in shown


def test_fit_eval_and_predict_by_the_command_line(write: Callable[..., Path], command: Command, tmp_path: Path) -> None:
    run = command("fit", write(SHAPES), "--json").json
    assert run["best"]["metric"] == "dev/mean_iou" and run["dev"].keys() == {"loss", "mean_iou", "error_rate"}
    printed = command("eval", run["run"], "--split", "test")
    assert printed.status == 0 and "pixels per class" in printed.out and "triangle" in printed.out
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        PIL.Image.new("RGB", (30, 24), "red").save(tmp_path / name / "one.png")
    said = command("predict", run["run"], "a", "b")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["file"] for row in rows] == ["a/one.png", "b/one.png"] and "mask" not in rows[0]
    assert sum(rows[0]["shares"].values()) == pytest.approx(1)
    assert command("predict", run["run"], "a", "b", "--out", "found.jsonl").status == 0
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [row["mask"] for row in rows] == ["found/one.png", "found/one-1.png"]
    mask = np.asarray(PIL.Image.open(tmp_path / "found" / "one.png"))
    assert mask.shape == (24, 30) and (rows[0]["height"], rows[0]["width"]) == (24, 30)
    for number, name in enumerate(("background", "circle", "square", "triangle", "cross")):
        assert rows[0]["shares"][name] == pytest.approx((mask == number).mean(), abs=0.05)


def test_masks_beside_csv_and_nothing_is_overwritten(
    write: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    run = command("fit", write(SHAPES), "--json").json["run"]
    (tmp_path / "found").mkdir()
    refused = command("predict", run, "--out", "found.csv")
    assert refused.status == 2 and "found, which is there already" in refused.err
    assert not (tmp_path / "found.csv").exists() and not list((tmp_path / "found").iterdir())
    assert command("predict", run, "--split", "test", "--out", "other.csv").status == 0
    lines = (tmp_path / "other.csv").read_text().splitlines()
    assert lines[0] == "split,example,shares.background,shares.circle,shares.square,shares.triangle,shares.cross,mask"
    assert lines[1].endswith("other/test-0.png") and len(list((tmp_path / "other").iterdir())) == len(lines) - 1
    assert not list(tmp_path.glob(".*partial"))


def test_look_shows_masks(command: Command, tmp_path: Path) -> None:
    seen = command("data", "shapes", "data.examples=40", "data.size=24", "--pictures", "seen.png")
    assert seen.status == 0, seen.err
    assert "masks of 5 classes" in seen.out and "background" in seen.out
    assert PIL.Image.open(tmp_path / "seen.png").size[0] > 80
