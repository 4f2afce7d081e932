"""Random numbers as a function of position, and precision."""

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from conftest import Called
from nntrain.device import TORCH_THREADS, Device, mix, python_state, restore_python, seed_python
from nntrain.errors import UnfitError


def test_neighbouring_positions_have_seeds_of_their_own() -> None:
    positions = [p for n in (1, 2, 3) for p in itertools.product(range(12), repeat=n)]
    seeds = [mix(*position) for position in positions]
    assert len(set(seeds)) == len(positions)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mix(3, 1, 4) == mix(3, 1, 4) != mix(4, 1, 3)


def test_seeds_of_consecutive_steps_look_random() -> None:
    """Each of the 63 bits is set in about half of them."""
    seeds = [mix(0, 1, 0, step) for step in range(4000)]
    shares = [sum(seed >> bit & 1 for seed in seeds) / len(seeds) for bit in range(63)]
    assert all(0.45 < share < 0.55 for share in shares)


def test_large_seeds_differ_too() -> None:
    assert len({mix(seed, 0) for seed in (2**63 - 1, 2**63 - 2, 2**62, 2**32, 0)}) == 5


def test_what_is_drawn_depends_on_the_position_only() -> None:
    device = Device("cpu")

    def drawn(*position: int) -> list[float]:
        device.seed(*position)
        return torch.rand(5).tolist()

    first = drawn(0, 1, 0, 7)
    assert drawn(0, 1, 0, 8) != first
    torch.rand(100)
    assert drawn(0, 1, 0, 7) == first
    assert drawn(1, 1, 0, 7) != first


def draws() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.randn())]


@pytest.mark.parametrize("before", range(4))
def test_pythons_and_numpys_generators_go_on_where_they_were(before: int) -> None:
    """Also between the two normal numbers that are drawn at a time; the state travels through safetensors."""
    seed_python(5)
    for _ in range(before):
        draws()
    state = safetensors.torch.load(safetensors.torch.save(python_state()))
    expected = [draws() for _ in range(5)]
    seed_python(6)
    draws()
    restore_python(state)
    assert [draws() for _ in range(5)] == expected


def test_pythons_and_numpys_generators_follow_the_seed() -> None:
    def drawn(seed: int) -> list[float]:
        seed_python(seed)
        return draws()

    assert drawn(3) == drawn(3) != drawn(4)
    assert len(drawn(2**63 - 1)) == 4


def test_bf16_computes_in_bfloat16_with_float32_weights() -> None:
    layer, x = torch.nn.Linear(4, 4), torch.randn(2, 4)
    with Device("cpu", "bf16").precision():
        assert layer(x).dtype == torch.bfloat16
    with Device("cpu", "fp32").precision():
        assert layer(x).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_tf32_is_for_products_on_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnfitError, match="TF32 is arithmetic of NVIDIA's GPUs") as error:
        Device("cpu", "tf32")
    assert error.value.path == ("precision",)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    try:
        Device("cuda", "tf32").use_precision()
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        Device("cpu").use_precision()
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("name", ["gpu", "", "cpu0", "cuda:x", "cuda:-1", "mps", "CPU"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(UnfitError, match="expected auto, cpu, cuda or cuda:N") as error:
        Device(name)
    assert error.value.path == ("device",)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnfitError, match="so not 'cuda:99'; use auto or cpu"):
        Device("cuda:99")


def test_auto_is_a_device_that_works() -> None:
    assert Device("cpu").torch == torch.device("cpu")
    assert torch.ones(2, device=Device("auto").torch).sum().item() == 2


def test_the_number_of_threads_can_be_set() -> None:
    before = torch.get_num_threads()
    try:
        device = Device("cpu", threads=3)
        device.use_threads(0)
        assert device.describe() == "CPU, 3 threads"
        assert torch.get_num_threads() == 3
        Device("cpu").use_threads(1000)
        assert torch.get_num_threads() == 1  # of no use to a tiny network
        Device("cpu").use_threads(10**9)
        assert torch.get_num_threads() == TORCH_THREADS
    finally:
        torch.set_num_threads(before)


def test_what_has_no_deterministic_way_is_refused(
    command: Callable[..., Called], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU everything of torch has one: a layer stands in for what has none on a GPU."""
    write(CAREFUL, "mine.py")
    config = write("plugins: [mine.py]\ndata: iris\nmodel: careless\ntrainer: {length: 3 steps}\n")
    try:
        loose = command("fit", config, "--json")
        strict = command("fit", config, "trainer.deterministic=true")
    finally:
        torch.use_deterministic_algorithms(False)
    assert loose.status == 0, loose.err
    assert strict.status == 2
    assert "does not have a deterministic implementation" in strict.err
    assert not torch.backends.cudnn.benchmark


def test_a_run_with_deterministic_arithmetic_says_so(
    command: Callable[..., Called], write: Callable[..., Path]
) -> None:
    config = write("data: iris\nmodel: mlp\ntrainer: {length: 3 steps, deterministic: true}\n")
    try:
        run = Path(command("fit", config, "--json").json["run"])
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert json.loads((run / "environment.json").read_text())["not_deterministic"] == []


def test_what_differs_on_a_gpu_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    loose, strict = Device("cpu"), Device("cpu", deterministic=True)
    assert loose.not_deterministic() == []
    for device in (loose, strict):
        device.torch = torch.device("cuda", 0)
    assert any("atomic additions" in line for line in loose.not_deterministic())
    assert strict.not_deterministic() == []


CAREFUL = '''
import torch
from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("careless")
class Careless(nn.Module):
    """Does what has no deterministic way."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.features

    def forward(self, x):
        if torch.are_deterministic_algorithms_enabled():
            raise RuntimeError("careless does not have a deterministic implementation")
        return x
'''
