"""Detection: what is learned, shown and told of; the rest of it stands in the tests of every task."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
import torch
from every_task import TASKS, text_of
from made import made
from pycocotools import mask

from conftest import Called
from nntrain.batch import IGNORED, Batch, Detections, Objects
from nntrain.specs import Boxes, Image, Instances
from nntrain.tasks import Outcome
from runs import instant_disk  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]
NAMES = ("cat", "dog")


class Found:
    """A detector that finds what it was told of."""

    terms = ("classification",)

    def __init__(self, found: Detections) -> None:
        self.found = found

    def __call__(self, images: torch.Tensor) -> Detections:
        return self.found


def outcome(with_masks: bool = False) -> tuple[Outcome, list[dict[str, object]]]:
    """What is found in a picture of 10x20 pixels that was of 40x40 in its file, and what is told of it."""
    boxes = torch.tensor([[[2.0, 5, 10, 10], [0, 0, 4, 4], [1, 1, 2, 2]]])
    labels, scores = torch.tensor([[1, 0, IGNORED]]), torch.tensor([[0.9, 0.3, 0.0]])
    masks = torch.zeros(1, 3, 10, 20, dtype=torch.bool)
    masks[0, 0, 5:10, 2:10] = True
    found = Detections(boxes, labels, scores, masks if with_masks else None)
    none = torch.zeros(1, 0)
    there = Objects(torch.zeros(1, 0, 4), none.long(), none.bool(), torch.tensor([[40, 40]]))
    spec, name = (Instances, "instance_segmentation") if with_masks else (Boxes, "detection")
    task = made("task", {"type": name, "threshold": 0.5}, spec(NAMES, 3))
    task.prepare(Found(found), Image(3, 10, 20), task.targets)
    result = task.evaluate(Found(found), Batch(torch.zeros(1, 3, 10, 20), there))
    return result, task.answers(result)


def test_answers_are_in_pixels_of_the_picture_as_it_was_and_sure() -> None:
    result, answers = outcome()
    assert result.loss is None
    assert answers == [{"objects": [{"class": "dog", "score": pytest.approx(0.9), "box": [4, 20, 20, 40]}]}]


def test_masks_are_told_as_run_lengths_of_the_picture_as_it_was() -> None:
    (told,) = outcome(with_masks=True)[1]
    (found,) = told["objects"]
    pixels = torch.from_numpy(mask.decode(found["mask"])).bool()
    expected = torch.zeros(40, 40, dtype=torch.bool)
    expected[20:40, 4:20] = True
    assert torch.equal(pixels, expected)


def test_terms_are_logged_apart_and_add_up_to_the_objective(command: Command, write: Write) -> None:
    config = write(text_of("instance_segmentation", Path()))
    run = Path(command("fit", config, "trainer.clip=0.5", "--json").json["run"])
    for record in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        train = record["train"]
        terms = {name: value for name, value in train.items() if name.startswith("objective/")}
        assert {name.partition("/")[2] for name in terms} == {
            "objectness", "region", "classification", "box", "mask"
        }  # fmt: skip
        assert sum(terms.values()) == pytest.approx(train["objective"], rel=1e-4)
        assert "loss" not in record["dev"] and record["dev"].keys() == {"mask_map", "mask_map_50", "map", "map_50"}


def test_there_is_no_loss_to_watch(command: Command, write: Write) -> None:
    config = write(text_of("detection", Path()))
    for setting in ("trainer.monitor=dev/loss", "trainer.early_stopping={monitor: dev/loss, patience: 1 epochs}"):
        refused = command("fit", config, setting)
        assert refused.status == 2 and "unknown metric 'dev/loss'" in refused.err
    assert command("check", config, "trainer.monitor=dev/map_50").status == 0


def test_models_and_tasks_that_do_not_go_together(command: Command, write: Write) -> None:
    config = write(TASKS["instance_segmentation"])
    wrong = command("check", config, "model=fcos")
    assert wrong.status == 2
    assert "fcos makes boxes of objects, not boxes and masks of objects" in wrong.err or "mask_rcnn" in wrong.err
    assert command("check", config, "model=lenet").status == 2
    both = command("check", config, "task=segmentation")
    assert both.status == 2 and "many_shapes gives boxes and masks" in both.err


def test_answers_as_a_table_hold_objects_as_json(command: Command, write: Write, tmp_path: Path) -> None:
    run = command("fit", write(text_of("detection", Path())), "--json").json["run"]
    assert command("predict", run, "--out", tmp_path / "found.csv").status == 0
    with (tmp_path / "found.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    found = [one for row in rows for one in json.loads(row["objects"])]
    assert found and all(one.keys() == {"class", "score", "box"} for one in found)


def test_a_picture_of_another_size_is_looked_at_as_a_whole(command: Command, write: Write, tmp_path: Path) -> None:
    run = command("fit", write(text_of("detection", Path())), "task.threshold=0", "--json").json["run"]
    for name, size in (("small", (24, 24)), ("large", (96, 48))):  # of one colour, so that scaled they are the same
        PIL.Image.new("RGB", size, (90, 140, 40)).save(tmp_path / f"{name}.png")
    applied = command("predict", run, tmp_path / "small.png", tmp_path / "large.png")
    small, wide = (json.loads(line)["objects"] for line in applied.out.splitlines())
    assert small and [one["class"] for one in wide] == [one["class"] for one in small]
    for one, other in zip(small, wide, strict=True):
        assert other["score"] == pytest.approx(one["score"], abs=1e-4)
        expected = [edge * by for edge, by in zip(one["box"], (4, 2, 4, 2), strict=True)]
        assert other["box"] == pytest.approx(expected, abs=1e-3)


def test_a_data_set_shows_its_objects(command: Command, tmp_path: Path) -> None:
    shown = command(
        "data", "many_shapes", "data.examples=40", "data.size=24", "--pictures", tmp_path / "a.png", "--json"
    )
    assert shown.status == 0, shown.err
    assert sum(shown.json["splits"]["train"]["classes"].values()) >= 28
    assert (tmp_path / "a.png").stat().st_size > 1000
