"""Activation checkpointing: less is kept of a forward pass, and not a bit is another one."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from made import component
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from every_model import Instance, network, networks
from nntrain.activation_checkpointing import _found, _in_segments
from nntrain.batch import tensors_in
from nntrain.specs import Classes, Image
from runs import at_step, bits, instant_disk, last, only_run, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]


class Passed:
    """Of a forward and a backward pass: what came out, gradients, buffers, the next random number, bytes kept."""

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        torch.manual_seed(3)
        with saved_tensors_hooks(note, lambda tensor: tensor):
            outputs = model.train()(inputs)
        own = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.bytes = sum(size for place, size in kept.items() if place not in own)
        found = list(tensors_in(list(outputs.values()) if isinstance(outputs, dict) else outputs))
        loss = torch.stack([t.double().square().mean() for t in found if t.requires_grad]).sum()
        trained = [p for p in model.parameters() if p.requires_grad]
        gradients = [g for g in torch.autograd.grad(loss, trained, allow_unused=True) if g is not None]
        self.tensors = [*found, *gradients, *model.buffers(), torch.rand(1)]


def checkpointed(model: nn.Module) -> nn.Module:
    found = list(_found(model))
    assert found
    for module, forward in found:
        module.forward = MethodType(forward, module)
    return model


def same(one: Passed, other: Passed) -> bool:
    return len(one.tensors) == len(other.tensors) and all(map(torch.equal, one.tensors, other.tensors))


@pytest.mark.parametrize("instance", [i for i in networks() if i.name != "torchvision_segmentation"], ids=str)
def test_of_every_network_with_blocks_gradients_noise_and_buffers_are_the_same(instance: Instance) -> None:
    if not list(_found(instance.make())):
        pytest.skip("has no blocks")
    plain, other = Passed(instance.make(), instance.batch()), Passed(checkpointed(instance.make()), instance.batch())
    assert same(plain, other)
    assert other.bytes <= plain.bytes


# The share of the plain bytes that are kept at most, as measured: a network that is not cut any more keeps all.
LARGE = {
    "{type: resnet, depth: 50, width: 8}": 0.45,
    "{type: torchvision, name: resnet18}": 0.6,
    "{type: torchvision, name: vgg11}": 0.2,
    "{type: torchvision, name: densenet121}": 0.2,
    "{type: torchvision, name: efficientnet_b0}": 0.1,
}


@pytest.mark.parametrize(("settings", "share"), LARGE.items())
def test_large_networks_keep_less(settings: str, share: float) -> None:
    import yaml

    chosen = component("model", yaml.safe_load(settings))
    images, classes = Image(3, 64, 64), Classes(("a", "b", "c"))
    torch.manual_seed(1)
    x = torch.randn(2, 3, 64, 64)
    plain = Passed(network(chosen, images, classes, 0), x)
    other = Passed(checkpointed(network(chosen, images, classes, 0)), x)
    assert same(plain, other)
    assert other.bytes < share * plain.bytes


def test_a_copy_computes_with_its_own_weights() -> None:
    import copy

    instance = next(i for i in networks() if i.name == "resnet")
    model = checkpointed(instance.make())
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert same(Passed(twin, instance.batch()), Passed(instance.make(), instance.batch()))


def test_layers_of_a_chain_that_stand_in_it_twice_are_computed_twice() -> None:
    activation = nn.Tanh()
    torch.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (nn.Linear(4, 4), activation)]
    chain, x = nn.Sequential(*layers), torch.randn(3, 4)
    expected = chain(x)
    assert [forward for _, forward in _found(nn.ModuleDict({"body": chain}))] == [_in_segments]
    assert torch.equal(checkpointed(nn.ModuleDict({"body": chain}))["body"](x), expected)


# --- By the command line.

DIGITS = """
data: {type: digits, batch_size: 16}
model: {type: resnet, depth: 14, stem: cifar, width: 4, spatial_dropout: 0.1, stochastic_depth: 0.2}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 12 steps, evaluate: 6 steps, save: 5 steps, log: 3 steps, preflight: false, samples: false}
"""
MLP = """
data: {type: digits, batch_size: 64}
model: {type: mlp, hidden: [32, 32, 32, 32, 32, 32], activation: gelu, norm: batch}
optimizer: {type: adam, lr: 0.01}
trainer: {length: 12 steps, evaluate: 6 steps, save: 5 steps, preflight: false}
"""


def run_of(called: Any) -> Path:
    assert called.status == 0, called.err
    return Path(called.json["run"])


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (DIGITS, []),
        (DIGITS, ["trainer.accumulate=3", "trainer.clip=0.5"]),
        (DIGITS, ["trainer.precision=bf16"]),
        (MLP, ["optimizer=lbfgs"]),
        (MLP, ["regularizers=[{type: activity, layer: body.layers.1.linear, weight: 0.1}]"]),
        (MLP, ["trainer.capture=true"]),
    ],
)
def test_a_run_ends_with_the_same_bits(command: Command, write: Write, config: str, settings: list[str]) -> None:
    path = write(config)
    plain = run_of(command("fit", path, *settings, "--out", "plain", "--json"))
    other = run_of(command("fit", path, *settings, "trainer.checkpoint_activations=true", "--json"))
    assert bits(last(plain)) == bits(last(other))


def test_a_killed_run_goes_on_with_the_same_bits(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(DIGITS)
    setting = "trainer.checkpoint_activations=true"
    whole = run_of(command("fit", config, setting, "--out", "whole", "--json"))
    with monkeypatch.context() as patched:
        at_step(patched, 8, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", config, setting).status == 143
    run = only_run(tmp_path / "runs")
    assert command("fit", "--resume", run).status == 0
    same_run(whole, run)


def test_a_run_may_go_on_without_it(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(DIGITS)
    whole = run_of(command("fit", config, "--out", "whole", "--json"))
    with monkeypatch.context() as patched:
        at_step(patched, 8, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", config, "trainer.checkpoint_activations=true").status == 143
    run = only_run(tmp_path / "runs")
    assert command("fit", "--resume", run, "trainer.checkpoint_activations=false").status == 0
    assert bits(last(whole)) == bits(last(run))


def test_steps_are_captured_where_blocks_draw_no_numbers(command: Command, write: Write) -> None:
    settings = ("trainer.checkpoint_activations=true", "trainer.capture=true")
    captured = command("fit", write(MLP), *settings, "--json").json["captured"]["model"]
    assert captured["reason"] is None and captured["steps"] > 0
    captured = command("fit", write(MLP), *settings, "model.dropout=0.1", "--json").json["captured"]["model"]
    assert (
        captured["steps"] == 0 and "computed again (checkpoint_activations) draw random numbers" in captured["reason"]
    )


def test_check_counts_less_memory(command: Command, write: Write) -> None:
    config = write(DIGITS)
    plain, other = (
        command("check", config, f"trainer.checkpoint_activations={setting}", "--json").json["memory_bytes"]
        for setting in ("false", "true")
    )
    assert other < 0.7 * plain


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (["model={type: mlp, hidden: [32]}"], "no row of blocks"),
        (["model=linear"], "no row of blocks"),
        (["model={type: mlp, hidden: [32, 32, 32], activation: relu}"], "spares nothing here"),
        (["regularizers=[weight_noise]"], "would lack the noise on the weights"),
    ],
)
def test_where_it_does_nothing_it_is_refused(
    command: Command, write: Write, tmp_path: Path, settings: list[str], why: str
) -> None:
    for asked in ("fit", "check"):
        called = command(asked, write(MLP), *settings, "trainer.checkpoint_activations=true")
        assert called.status == 2
        assert "trainer.checkpoint_activations: " in called.err and why in called.err
    assert not (tmp_path / "runs").exists()
