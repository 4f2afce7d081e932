"""What there is to see of a run beside its curves."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from made import made
from PIL import Image as Bitmap
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from nntrain import projector
from nntrain.batch import IGNORED, Batch, GraphNodes, Sequences
from nntrain.pictures import scatter, tiled, visible
from nntrain.samples import Picture, Projection, Text
from nntrain.specs import Classes, Image, LabelSet, Links, Tags, Tokens, Values, Vector
from nntrain.tasks.hardest import hardest
from runs import instant_disk, only_run, pictures  # noqa: F401

LETTERS = Tokens(tuple("abcde"), 4, "character")
AUTOENCODER = """
data: {type: digits, batch_size: 200, standardize: false}
model: {type: autoencoder, code: 2, layers: {type: dense, hidden: [8]}}
task: autoencoding
trainer: {length: 6 steps, evaluate: 3 steps}
"""


def test_the_hardest_texts_come_first_with_what_they_are_taken_for() -> None:
    logits = torch.tensor([[2.0, 0.0], [-3.0, 0.0], [0.5, 0.0]])
    batch = Batch(
        Sequences(torch.tensor([[0, 1, 4], [2, 3, 0], [1, 1, 0]]), torch.tensor([3, 2, 2])), torch.zeros(3).long()
    )
    (shown,) = hardest(logits, batch, LETTERS, Classes(("up", "down")))
    assert isinstance(shown, Text) and shown.name == "hardest"
    assert shown.markdown.splitlines()[2:] == [
        "| cd | up | down | 95% |",
        "| bb | up | up | 62% |",
        "| abe | up | up | 88% |",
    ]


def test_images_that_are_right_and_wrong_are_told_apart_by_colour() -> None:
    images, spec = torch.rand(3, 1, 8, 8), Image(1, 8, 8)
    drawn: dict[int, np.ndarray[Any, Any]] = {}
    for right in (0, 1):
        (shown,) = hardest(
            torch.tensor([[5.0, 0.0]] * 3), Batch(images, torch.full((3,), right)), spec, Classes(("a", "b"))
        )
        assert isinstance(shown, Picture)
        drawn[right] = np.asarray(Bitmap.open(io.BytesIO(shown.drawn.png))).astype(int)
    reddest = {right: int((pixels[..., 0] - pixels[..., 1]).max()) for right, pixels in drawn.items()}
    assert reddest[1] > 200 and reddest[0] < 20


def test_vectors_are_seen_by_their_first_numbers() -> None:
    logits, inputs = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.5, 1.0], [2.0, 3.0]])
    (shown,) = hardest(logits, Batch(inputs, torch.zeros(2).long()), Vector(2), Classes(("a", "b")))
    assert isinstance(shown, Text)
    assert shown.markdown.splitlines()[2:] == ["| 2 3 | a | b | 88% |", "| 0.5 1 | a | a | 88% |"]


def test_values_that_are_farthest_come_first() -> None:
    targets = Values(("y", "z"), (1.0, 0.0), (2.0, 1.0))
    outputs = torch.tensor([[0.0, 0.0], [0.0, 1.0]])  # of standardised targets
    batch = Batch(torch.tensor([[3.0], [4.0]]), torch.tensor([[1.0, 0.5], [1.0, -1.0]]))
    (shown,) = made("task", "regression", targets).samples(lambda inputs: outputs, batch, Vector(1))
    assert shown.markdown.splitlines()[2:] == ["| 4 | 1 -1 | 1 1 |", "| 3 | 1 0.5 | 1 0 |"]


def test_labels_that_are_least_likely_come_first() -> None:
    outputs = torch.tensor([[3.0, -3.0], [3.0, 3.0]])
    batch = Batch(torch.tensor([[3.0], [4.0]]), torch.tensor([[1, IGNORED], [0, 0]]))
    (shown,) = made("task", "multilabel", LabelSet(("p", "q"))).samples(lambda inputs: outputs, batch, Vector(1))
    assert shown.markdown.splitlines()[2:] == ["| 4 | none | p, q |", "| 3 | p | p |"]


def test_pairs_that_are_taken_for_links_and_are_none() -> None:
    nodes = GraphNodes(torch.eye(3), torch.zeros(2, 0).long(), torch.tensor([0, 1, 1, 2]))
    vectors = torch.tensor([[1.0], [2.0], [2.0], [-1.0]])
    task = made("task", "link_prediction", Links())
    (shown,) = task.samples(lambda inputs: vectors, Batch(nodes, torch.tensor([0, 1])), Vector(3))
    assert shown.markdown.splitlines()[2:] == ["| 0 | 1 | not linked | 88% |", "| 1 | 2 | linked | 12% |"]


def test_wrong_tags_stand_beside_the_right_ones() -> None:
    task = made("task", "tagging", Tags(("x", "y"), 4))
    outputs = torch.eye(2)[torch.tensor([[0, 1, 1, 0]])]
    batch = Batch(Sequences(torch.tensor([[0, 1, 2, 3]])), torch.tensor([[0, 0, IGNORED, 1]]))
    (shown,) = task.samples(lambda inputs: outputs, batch, LETTERS)
    assert shown.markdown.splitlines()[-1] == "| a/x **b/y** (x) **d/x** (y) |"


def test_noisy_images_stand_between_clean_and_found_ones(write: Callable[..., Path], command: Any) -> None:
    for task, rows in (("autoencoding", 2), ("denoising", 3)):
        config = write(AUTOENCODER.replace("task: autoencoding", f"task: {task}"))
        run = Path(command("fit", config, "--out", task, "--json").json["run"])
        image = Bitmap.open(io.BytesIO(pictures(run)["reconstructions", 6]))
        assert image.size == (8 * 84 + 4, rows * 84 + 4)


def test_codes_go_to_the_projector(write: Callable[..., Path], command: Any, tmp_path: Path) -> None:
    assert command("fit", write(AUTOENCODER)).status == 0
    folder = only_run(tmp_path / "runs") / "dev"
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (entry,) = config.embeddings
    points = np.loadtxt(folder / entry.tensor_path, delimiter="\t")
    labels = (folder / entry.metadata_path).read_text().splitlines()
    assert points.shape == (269, 2) and len(labels) == 269 and set(labels) == set("0123456789")
    assert list(entry.sprite.single_image_dim) == [8, 8]
    assert Bitmap.open(folder / entry.sprite.image_path).size == (17 * 8, 17 * 8)  # 17^2 places for 269 images


def test_a_projection_without_pictures_and_with_odd_labels(tmp_path: Path) -> None:
    projector.write(tmp_path, Projection(torch.tensor([[1.0, 2.0], [3.0, 4.5]]), ["a\tb\n c", ""]))
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    assert not config.embeddings[0].HasField("sprite")
    assert (tmp_path / config.embeddings[0].metadata_path).read_text() == "a b c\n-\n"
    assert (tmp_path / config.embeddings[0].tensor_path).read_text() == "1\t2\n3\t4.5\n"


def test_tiles_lie_row_by_row() -> None:
    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 2, 3) / 5
    sheet = tiled(images, 3)
    assert sheet.shape == (1, 4, 9)
    assert sheet[0, ::2, ::3].tolist() == [pytest.approx([0.0, 0.2, 0.4]), pytest.approx([0.6, 0.8, 0.5])]


def test_others_are_shown_on_the_scale_of_the_first() -> None:
    first, other = visible(torch.tensor([2.0, 4.0]), torch.tensor([3.0, 9.0]))
    assert (first.tolist(), other.tolist()) == ([0, 1], [0.5, 1])


def test_points_are_drawn_where_they_are() -> None:
    corners = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    picture = scatter((corners, (1.0, 0.0, 0.0)), (torch.tensor([[0.9, -0.9], [50.0, 0.0]]), (0.0, 0.0, 1.0)), side=100)
    red, blue = ((picture == torch.tensor(colour).view(3, 1, 1)).all(dim=0) for colour in ((1.0, 0, 0), (0, 0, 1.0)))
    assert int(red.sum()) == 8 and int(blue.sum()) == 4  # a dot has two by two pixels, and one point is outside
    (row, column), *_ = blue.nonzero().tolist()
    assert row > 80 and column > 80  # up is up
