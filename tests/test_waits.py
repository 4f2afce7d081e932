"""A step never waits for the device: between evaluations nothing in it looks at the value of a tensor."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from every_stream import STREAMS, write_examples
from every_task import TASKS, text_of, train_teacher
from pretended import DEVICE, Pretended

from nntrain.augmentations.operations import OPERATIONS
from nntrain.meter import Meter
from nntrain.parts import Parts
from nntrain.plan import plan
from nntrain.request import document
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
STEPS = 3

# Steps that are made of what they find, and why.
DEPENDS_ON_VALUES = {
    "instance_segmentation": "torchvision's network goes on with the regions that it finds, as many as there are",
    "transcription": "torch's CTC looks at the lengths",
    "graphs with attention": "torch_geometric takes away the loops that a batch's graphs have, as many as there are",
}


def waits_of(config: Path) -> list[str]:
    """What waits in some steps within an epoch, as the loop takes them: on a GPU, or on one that is pretended."""
    return on_gpu(config) if torch.cuda.is_available() else on_pretended(config)


def on_gpu(config: Path) -> list[str]:
    step = steps_of(parts_of(config))
    step(0)  # in which what is kept is made
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True, action="always") as warned:
            for number in range(1, STEPS + 1):
                step(number)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return [text for warning in warned if "synchronizing" in (text := str(warning.message))]


def on_pretended(config: Path) -> list[str]:
    with Pretended() as device, pytest.MonkeyPatch.context() as patch:
        patch.setattr("nntrain.device._torch_device", lambda name: DEVICE)
        patch.setattr("torch.optim.Optimizer._group_tensors_by_device_and_dtype", staticmethod(grouped))
        step = steps_of(parts_of(config))
        step(0)
        device.waits.clear()
        for number in range(1, STEPS + 1):
            step(number)
    return device.waits


def grouped(lists: Any, with_indices: bool = False) -> dict[Any, Any]:
    """As torch's optimizers have it, who ask for the device below Python."""
    found = torch.utils._foreach_utils._group_tensors_by_device_and_dtype(lists, with_indices)
    return {(DEVICE, dtype): group for (_, dtype), group in found.items()}


def steps_of(parts: Parts) -> Callable[[int], None]:
    update = parts.update()
    layers = {name: norms.layers for name, norms in update.norms.items()}
    meter = Meter(layers, {o.name: o.terms for o in parts.task.objectives}, parts.remedy.skips)
    batches = parts.data.train.stream(parts.order.updates(0))
    parts.model.train()
    assert parts.order.steps_per_epoch > STEPS

    def step(number: int) -> None:
        parts.device.seed(parts.seed, 1, parts.stage, number)
        meter.add(number, update(number, next(batches), parts.schedule(number / parts.clock.total)))
        parts.average.follow(number + 1)

    return step


def parts_of(config: Path) -> Parts:
    size = 1 if "data: karate_club" in config.read_text() else 4  # it has four examples
    overrides = [f"data.batch_size={size}", "trainer.capture=false", "trainer.average=ema", "trainer.clip=1.0"]
    return plan(document(str(config), overrides, lambda note: None)).parts(0)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in DEPENDS_ON_VALUES])
def test_no_task_waits(name: str, write: Write, command: Command) -> None:
    teacher = train_teacher(write, command) if name == "distillation" else Path()
    assert waits_of(write(text_of(name, teacher))) == []


@pytest.fixture
def examples(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_examples(write, tmp_path)


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("name", [name for name in STREAMS if name not in DEPENDS_ON_VALUES])
def test_no_stream_waits(name: str, write: Write) -> None:
    assert waits_of(write(STREAMS[name])) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_on_pictures_waits(name: str) -> None:
    with Pretended() as device:
        OPERATIONS[name](on_device(torch.rand(4, 3, 8, 8)), on_device(torch.rand(4)))
    assert device.waits == []


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("name", DEPENDS_ON_VALUES)
def test_what_is_said_to_depend_on_values_does(name: str, write: Write) -> None:
    assert waits_of(write(STREAMS[name] if name in STREAMS else text_of(name, Path())))


def on_device(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(DEVICE, non_blocking=True)


WAITING = {
    "a number": lambda x: float(x[0]),
    "a truth": lambda x: bool(x[0]),
    "the largest": lambda x: int(x.max()),
    "a list": lambda x: x.flatten().tolist(),
    "a copy": lambda x: x.cpu(),
    "an array": lambda x: x.numpy(),
    "places": lambda x: x.nonzero(),
    "a mask": lambda x: x[x > 1],
    "repetitions": lambda x: x.repeat_interleave(on_device(torch.tensor([1, 0, 2, 1]))),
    "membership": lambda x: torch.isin(x, x),
    "a copy to it": lambda x: torch.arange(4.0).to(DEVICE),
    "what the host made": lambda x: torch.tensor([1.0], device=DEVICE),
    "numbers on the host": lambda x: x[torch.tensor([1, 2])],
}


@pytest.mark.parametrize("name", WAITING)
def test_waiting_is_seen(name: str) -> None:
    with Pretended() as device:
        x = on_device(torch.arange(4.0))
        assert device.waits == []
        WAITING[name](x)
    assert len(device.waits) == 1


def test_what_does_not_wait_is_not_seen() -> None:
    with Pretended() as device:
        here, there = torch.arange(4), on_device(torch.arange(4.0))
        there.index_select(0, on_device(here[:2])).clamp(0).sum()
        there.repeat_interleave(on_device(here), output_size=int(here.sum()))
        there * torch.tensor(2.0) + torch.ones(4, device=DEVICE)
        here.tolist(), here.numpy(), here[here > 1], float(here[0])
    assert device.waits == []
