"""A step never waits for the device: between evaluations nothing in it looks at the value of a tensor."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from every_task import TASKS, text_of, train_teacher
from torch.utils._python_dispatch import TorchDispatchMode

from nntrain.meter import Meter
from nntrain.parts import Parts
from nntrain.plan import plan
from nntrain.request import document
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
STEPS = 3

# Tasks whose step is made of what it finds, and why.
DEPENDS_ON_VALUES = {
    "instance_segmentation": "torchvision's network goes on with the regions that it finds, as many as there are",
    "transcription": "torch's CTC looks at the lengths, and a batch is cut to its longest sequence",
}


class Waits(TorchDispatchMode):
    """Writes down the operations that give Python a number, or a tensor as long as values say, or the host a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if _waits(func, args):
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def _waits(func: Any, args: Sequence[Any]) -> bool:
    if func is torch.ops.aten.index.Tensor:  # by numbers it has their shape, by a mask as many as are true
        return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
    return bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(func.tags))


def _seen(name: str, method: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    def call(tensor: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
        seen.append(name)
        return method(tensor, *arguments, **settings)

    return call


@contextmanager
def without_waiting(device: torch.device) -> Iterator[list[str]]:
    """Collects what waits; on a GPU torch itself refuses to."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        with Waits() as waits, pytest.MonkeyPatch.context() as patch:
            for name in ("tolist", "cpu", "numpy"):  # which on a CPU are no operations
                patch.setattr(torch.Tensor, name, _seen(name, getattr(torch.Tensor, name), waits.seen))
            yield waits.seen
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def taken(parts: Parts) -> list[str]:
    """What waits in some steps within an epoch, as the loop takes them."""
    update = parts.update()
    layers = {name: norms.layers for name, norms in update.norms.items()}
    meter = Meter(layers, {o.name: o.terms for o in parts.task.objectives}, parts.remedy.skips)
    batches = parts.data.train.stream(parts.order.updates(0, parts.device.torch))
    parts.model.train()

    def step(number: int) -> None:
        parts.device.seed(parts.seed, 1, parts.stage, number)
        meter.add(number, update(number, next(batches), parts.schedule(number / parts.clock.total)))
        parts.average.follow(number + 1)

    assert parts.order.steps_per_epoch > STEPS
    step(0)  # in which the order of an epoch is drawn, and what is kept is made
    with without_waiting(parts.device.torch) as seen:
        for number in range(1, STEPS + 1):
            step(number)
    return seen


def parts_of(config: Path, *settings: str) -> Parts:
    overrides = ["data.batch_size=4", "trainer.capture=false", "trainer.average=ema", "trainer.clip=1.0", *settings]
    return plan(document(str(config), overrides, lambda note: None)).parts(0)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in DEPENDS_ON_VALUES])
def test_no_task_waits(name: str, write: Write, command: Command) -> None:
    teacher = train_teacher(write, command) if name == "distillation" else Path()
    assert taken(parts_of(write(text_of(name, teacher)))) == []


@pytest.mark.parametrize("name", DEPENDS_ON_VALUES)
def test_what_is_said_to_depend_on_values_does(name: str, write: Write) -> None:
    assert taken(parts_of(write(text_of(name, Path()))))


def test_waiting_is_seen() -> None:
    x = torch.arange(4.0)
    for wait in (
        lambda: float(x[0]),
        lambda: bool(x[0]),
        lambda: x.flatten().tolist(),
        x.nonzero,
        lambda: x[x > 1],
        lambda: int(x.max()),
    ):
        with without_waiting(torch.device("cpu")) as seen:
            wait()
        assert seen, wait
    with without_waiting(torch.device("cpu")) as seen:
        x[torch.tensor([1, 2])].clamp(0).sum()
    assert seen == []
