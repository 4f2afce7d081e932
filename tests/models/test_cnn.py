"""The convolutional network: stacks for series, images and videos, readouts, padding, and mistakes in YAML."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Called
from nntrain.batch import Sequences
from nntrain.models.lenet import LeNet
from nntrain.reader import Reader
from nntrain.registry import Registry
from nntrain.specs import Classes, Image, Inputs, Series, Tags, Targets, Video

Command = Callable[..., Called]
Write = Callable[..., Path]
TEN = Classes(tuple("0123456789"))
SERIES = Series(3, 20)


def cnn(inputs: Inputs, targets: Targets = TEN, **settings: Any) -> Any:
    torch.manual_seed(0)
    reader = Reader(Registry())
    component = reader.component("model", {"type": "cnn", **settings}, ("model",))
    assert component is not None, reader.problems
    return component(inputs, targets)


def convolution(channels: int = 4, **settings: Any) -> dict[str, Any]:
    return {"type": "convolution", "channels": channels, **settings}


def pooling(**settings: Any) -> dict[str, Any]:
    return {"type": "pooling", **settings}


@pytest.mark.parametrize(
    ("inputs", "features"),
    [
        (Image(1, 8, 8), 32 * 2 * 2),
        (Image(3, 28, 20), 32 * 7 * 5),
        (Video(1, 8, 16, 12), 32 * 2 * 4 * 3),
        (SERIES, 32 * 5),
    ],
)
def test_the_default_stack_takes_series_images_and_videos(inputs: Any, features: int) -> None:
    body = cnn(inputs)
    x = torch.randn(2, *inputs.shape)
    assert body(Sequences(x) if isinstance(inputs, Series) else x).shape == (2, body.features) == (2, features)


def test_lenet_written_in_yaml_is_lenet() -> None:
    blocks = [
        convolution(6, kernel=5),
        pooling(),
        convolution(16, kernel=5, padding=0),
        pooling(),
    ]
    image = Image(1, 28, 28)
    body, lenet, x = (
        cnn(image, blocks=blocks, top={"type": "mlp", "hidden": [120, 84]}),
        LeNet(image),
        torch.randn(2, 1, 28, 28),
    )
    with torch.no_grad():
        for own, other in zip(body.parameters(), lenet.parameters(), strict=True):
            own.copy_(other)
    assert torch.equal(body(x), lenet(x))


@pytest.mark.parametrize("readout", ["average", "max"])
@pytest.mark.parametrize("inputs", [Image(2, 8, 6), Video(2, 4, 6, 8)])
def test_readouts_are_over_all_positions(readout: str, inputs: Any) -> None:
    body, x = cnn(inputs, blocks=[convolution(5)], readout=readout), torch.randn(2, *inputs.shape)
    maps = body.blocks[0](x).flatten(2)
    torch.testing.assert_close(body(x), maps.mean(dim=2) if readout == "average" else maps.max(dim=2).values)


def test_the_average_does_not_see_where_something_is() -> None:
    body, x = cnn(Image(1, 12, 12), blocks=[convolution(), convolution()], readout="average"), torch.zeros(2, 1, 12, 12)
    x[0, 0, 3:6, 3:5], x[1, 0, 5:8, 4:6] = 1, 1
    torch.testing.assert_close(*body(x))


STACKS: dict[str, list[dict[str, Any]]] = {
    "kept": [convolution(kernel=5), convolution(dilation=3, norm="layer")],
    "pooled": [convolution(kernel=5), pooling(), convolution(), pooling(pool="average", kernel=3, stride=2)],
    "strided": [convolution(kernel=4, stride=2, padding=3), convolution(kernel=3, padding=0, norm="batch")],
    "normalised": [convolution(norm="batch"), {"type": "normalization", "norm": "local_response"}, pooling()],
}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("readout", ["average", "max", "flatten"])
def test_padding_of_series_changes_nothing(stack: str, readout: str) -> None:
    body = cnn(SERIES, blocks=STACKS[stack], readout=readout).double().eval()
    values, lengths = torch.randn(4, 20, 3, dtype=torch.float64), torch.tensor([20, 13, 10, 7])
    outputs = body(Sequences(values, lengths))
    other = values.clone()
    for i, length in enumerate(lengths):
        other[i, length:] = 1e6
    torch.testing.assert_close(body(Sequences(other, lengths)), outputs)
    for i, length in enumerate(lengths):
        alone = Sequences(values[i : i + 1, :length], lengths[i : i + 1])
        torch.testing.assert_close(body(alone)[0], outputs[i])


@pytest.mark.parametrize("readout", ["average", "max"])
def test_series_without_padding_need_no_lengths(readout: str) -> None:
    body, values = cnn(SERIES, blocks=STACKS["pooled"], readout=readout), torch.randn(3, 20, 3)
    torch.testing.assert_close(body(Sequences(values)), body(Sequences(values, torch.full((3,), 20))))


@pytest.mark.parametrize("readout", ["average", "max", "flatten"])
def test_series_shorter_than_the_stack_needs_go_on_as_zeros(readout: str) -> None:
    body = cnn(SERIES, blocks=[convolution(kernel=6, padding=0), pooling(kernel=3)], readout=readout)
    short = torch.randn(2, 2, 3)
    extended = torch.cat((short, torch.zeros(2, 6, 3)), dim=1)
    torch.testing.assert_close(
        body(Sequences(short, torch.tensor([2, 2]))), body(Sequences(extended, torch.tensor([8, 8])))
    )


def test_tags_have_features_at_every_position() -> None:
    tags = Tags(("a", "b"), 20)
    body = cnn(SERIES, tags, blocks=STACKS["kept"], readout="none").eval()
    values, lengths = torch.randn(2, 20, 3), torch.tensor([20, 11])
    features = body(Sequences(values, lengths))
    assert features.shape == (2, 20, body.features)
    torch.testing.assert_close(body(Sequences(values[1:, :11], lengths[1:]))[0], features[1, :11])


def test_batches_do_not_mix() -> None:
    body, x = cnn(Video(1, 4, 8, 8), readout="average").eval(), torch.randn(3, 1, 4, 8, 8)
    torch.testing.assert_close(torch.cat([body(one[None]) for one in x]), body(x))


MISTAKES = {
    "blocks: [{type: convolution, channels: 4}, pooling, pooling, {type: pooling, kernel: 3}]": (
        "4:88: model.blocks.3.kernel: a window of 3x3 does not fit on the maps of 2x2 that are left here"
    ),
    "blocks: [pooling, pooling, pooling, pooling]": (
        "4:39: model.blocks.3.kernel: a window of 2x2 does not fit on the maps of 1x1 that are left here"
    ),
    "blocks: [{type: convolution}]": "4:12: model.blocks.0: convolution needs the setting 'channels'",
    "blocks: [pooling, poling]": "4:21: model.blocks.1: unknown block 'poling'; did you mean 'pooling'?",
    "blocks: [{type: dropout, share: 1.0}]": "4:35: model.blocks.0.share: expected a number at least 0 and less than 1",
    "readout: none": "4:12: model.readout: for 10 classes the readout is flatten, average or max",
    "top: lenet": "4:8: model.top: lenet takes images",
    "top: {type: mlp, hiden: [3]}": "4:20: model.top.hiden: unknown setting of mlp; did you mean 'hidden'?",
}  # fmt: skip


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_are_pointed_at(line: str, command: Command, write: Write) -> None:
    write(f"data: digits\nmodel:\n  type: cnn\n  {line}\n")
    called = command("check", "my.yaml")
    assert called.status == 2
    assert f"my.yaml:{MISTAKES[line]}" in called.err


def test_tags_and_readouts_that_do_not_go_together_are_refused() -> None:
    tags, stack = Tags(("a", "b"), 20), [convolution(), pooling()]
    for settings, path, message in (
        ({"blocks": stack}, ("model", "readout"), "the readout is none"),
        ({"blocks": stack, "readout": "none"}, ("model", "blocks", 1), "this block makes 10 positions of 20"),
        ({"blocks": [], "readout": "none", "top": "mlp"}, ("model", "top"), "no vector for a model on top"),
    ):
        with pytest.raises(ValueError, match=message) as refused:
            cnn(SERIES, tags, **settings)
        assert refused.value.path == path
