"""Pictures with sentences, labels with drawings: what is said and drawn is what there is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.batch import IGNORED
from nntrain.data.drawn_digits import drawn_digits
from nntrain.data.scenes import COLOURS
from nntrain.data.scikit_learn import digits
from nntrain.data.shape_captions import LONGEST, shape_captions
from nntrain.specs import Image, OneToMany, Vector


def captions(examples: int = 300, **settings: Any) -> tuple[Any, list[str]]:
    source = shape_captions(examples=examples, noise=0.0, **settings)
    rows = [row[row > OneToMany.end].tolist() for row in source.train.targets]
    return source, [" ".join(source.inputs.vocabulary[word] for word in row) for row in rows]


def test_a_sentence_names_one_object_or_two_and_how_they_lie() -> None:
    source, sentences = captions()
    assert source.inputs.source == Image(3, 32, 32) and source.inputs.target_length == LONGEST + 1
    forms = {" ".join(word for word in s.split() if word in ("a", "left", "of", "above")) for s in sentences}
    assert forms == {"a", "a left of a", "a above a"}
    assert len(set(sentences)) > 100


def test_what_is_known_is_what_was_to_be_predicted_before() -> None:
    source, _ = captions(50)
    known, lengths = source.train.inputs.target
    for row, following, length in zip(known, source.train.targets, lengths.tolist(), strict=True):
        assert row[0] == OneToMany.begin
        assert torch.equal(row[1:length], following[: length - 1])
        assert following[length - 1] == OneToMany.end and (following[length:] == IGNORED).all()


def place_of(picture: torch.Tensor, colour: str) -> tuple[float, float]:
    """The middle (x, y) of the pixels of a colour, which are as far from the background as from other colours."""
    expected = torch.tensor(COLOURS[colour])
    light = (picture * expected[:, None, None]).sum(dim=0) / expected.square().sum()
    apart = (picture - light * expected[:, None, None]).norm(dim=0)
    y, x = ((apart < 0.02) & (light > 0.65)).nonzero().float().unbind(dim=1)
    return float(x.mean()), float(y.mean())


def test_the_pictures_show_what_is_said() -> None:
    source, sentences = captions(300)
    seen = 0
    for picture, sentence in zip(source.train.inputs.source, sentences, strict=True):
        words = sentence.split()
        colours = [word for word in words if word in COLOURS]
        if len(set(colours)) < 2:
            continue
        (x, y), (other_x, other_y) = (place_of(picture, colour) for colour in colours)
        assert x < other_x if "left" in words else y < other_y, sentence
        seen += 1
    assert seen > 50


def test_the_seed_says_which_pictures_there_are() -> None:
    one, again, other = (captions(20, seed=seed)[0].train.inputs.source for seed in (3, 3, 4))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_digits_are_drawn_from_their_labels() -> None:
    source, plain = drawn_digits(), digits()
    assert source.inputs.source == Vector(10) and source.inputs.drawn == Image(1, 8, 8)
    assert torch.equal(source.train.inputs.source.argmax(dim=1), plain.train.targets)
    greys = source.train.targets[:, :64] - (OneToMany.end + 1)
    assert torch.equal(greys.view(-1, 1, 8, 8).float(), plain.train.inputs)
    assert (source.train.targets[:, 64] == OneToMany.end).all()


TINY = """
data: {type: shape_captions, examples: 60, size: 16, batch_size: 20}
model: {type: rnn_decoder, hidden: 8}
task: sequence_generation
trainer: {length: 4 steps}
"""


def test_a_sentence_is_said_of_a_picture_file(
    command: Callable[..., Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    import PIL.Image

    PIL.Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    run = command("fit", write(TINY), "--json").json["run"]
    predicted = command("predict", run, tmp_path / "red.png")
    assert predicted.status == 0, predicted.err
    (row,) = [json.loads(line) for line in predicted.out.splitlines()]
    assert row["file"].endswith("red.png") and isinstance(row["sequence"], str)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    both = command("predict", run, tmp_path / "red.png", tmp_path / "broken.png")
    assert both.status == 1 and "broken.png" in both.err and len(both.out.splitlines()) == 1


@pytest.mark.parametrize(("source", "said"), [("gan", "gan makes no features"), ("mlp", None)])
def test_the_encoder_is_a_model_with_features(
    source: str, said: str | None, command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    checked = command("check", write(TINY.replace("hidden: 8", f"hidden: 8, encoder: {source}")))
    assert checked.status == (2 if said else 0), checked.err
    assert said is None or f"model.encoder: {said}" in checked.err
