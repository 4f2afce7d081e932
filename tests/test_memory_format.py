"""Channels last: the same values to rounding, the same checkpoints, and weights and images laid out so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nntrain.memory_format import lay_out
from nntrain.registry import Registry
from runs import best, bits, instant_disk, last, only_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

SMALL = """
data: {type: digits, batch_size: 100}
model: {type: resnet, stem: cifar, depth: 8, width: 4}
optimizer: {type: adam, lr: 0.01}
trainer: {length: 6 steps, evaluate: 2 steps, save: 2 steps, log: 2 steps, clip: 1.0, threads: 1, preflight: false}
"""


def test_weights_and_what_they_are_convolved_with_lie_so() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3))
    lay_out(network, True)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 9, 9)
    for layer in network:
        images = layer(images)
        assert images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()


def test_a_run_gives_the_same_to_rounding_and_its_checkpoint_serves_either_way(write: Write, command: Command) -> None:
    config = write(SMALL)
    plain = command("fit", config, "--out", "plain", "--json").json
    other = command("fit", config, "trainer.channels_last=true", "--out", "other", "--json").json
    assert other["train"]["loss"] == pytest.approx(plain["train"]["loss"], rel=1e-3)
    one, two = (best(only_run(Path(out))) for out in ("plain", "other"))
    assert {n: t.shape for n, t in one.tensors.items()} == {n: t.shape for n, t in two.tensors.items()}
    either = [
        command("eval", other["run"], f"trainer.channels_last={way}", "--json").json["metrics"]["loss"]
        for way in ("true", "false")
    ]
    assert either[0] == pytest.approx(either[1], rel=1e-5)


def test_it_is_resumed_bit_for_bit_also_from_the_other_layout(write: Write, command: Command) -> None:
    config = write(SMALL)
    command("fit", config, "trainer.channels_last=true", "trainer.length=4 steps", "--out", "short")
    command("fit", config, "trainer.channels_last=true", "--out", "straight")
    resumed = command("fit", "--resume", only_run(Path("short")), "trainer.length=6 steps")
    assert resumed.status == 0, resumed.err
    assert bits(last(only_run(Path("straight"))), "model", "optimizer") == bits(
        last(only_run(Path("short"))), "model", "optimizer"
    )
    command("fit", config, "trainer.length=4 steps", "--out", "plain")
    changed = command(
        "fit", "--resume", only_run(Path("plain")), "trainer.length=6 steps", "trainer.channels_last=true"
    )
    assert changed.status == 0, changed.err


@pytest.mark.parametrize("rule", Registry().names("optimizer"))
def test_every_rule_steps_alike(rule: str, write: Write, command: Command) -> None:
    settings = ["trainer.clip=null", "trainer.length=2 steps", "trainer.precision=fp64"]
    losses = []
    for way in ("false", "true"):
        config = write(SMALL.replace("{type: adam, lr: 0.01}", f"{{type: {rule}}}"))
        done = command("fit", config, f"trainer.channels_last={way}", "--out", way, "--json", *settings)
        assert done.status == 0, done.err
        losses.append(done.json["train"]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_network_without_convolutions_of_images_is_refused(write: Write, command: Command) -> None:
    config = write("data: iris\nmodel: {type: mlp, hidden: [4]}\ntrainer: {length: 2 steps, channels_last: true}\n")
    done = command("fit", config)
    assert done.status == 2
    assert "trainer.channels_last: the network has no convolution of images; leave channels_last out" in done.err
    assert not Path("runs").exists()
