"""What the tests of runs share: a tiny config, what a run left on disk, and two runs compared bit for bit."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from nntrain.checkpoint import Checkpoint, load
from nntrain.same_runs import points as scalars
from nntrain.same_runs import records, without_time

TINY = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 30 steps, evaluate: 5 steps, save: 7 steps, log: 3 steps}
"""


@pytest.fixture(autouse=True)
def instant_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the flushing to disk, most of the time of a tiny run, which only a power cut would show."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def runs_in(folder: Path) -> list[Path]:
    """The runs below the folder that is given to `--out`, oldest first."""
    return sorted(path.parent for path in folder.glob("*/*/config.yaml"))


def only_run(folder: Path) -> Path:
    (run,) = runs_in(folder)
    return run


def last(run: Path) -> Checkpoint:
    return load(run / "checkpoints" / "last.safetensors")


def best(run: Path) -> Checkpoint:
    return load(run / "checkpoints" / "best.safetensors")


def summary_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "summary.json").read_text())


def pictures(run: Path) -> dict[tuple[str, int], bytes]:
    """What there is to see beside curves, by tag and step: PNG files and text."""
    found = {}
    for path in sorted(run.glob("*/events*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                name = value.metadata.plugin_data.plugin_name
                if name in ("images", "text"):
                    found[value.tag, event.step] = value.tensor.string_val[-1]
    return found


def bits(checkpoint: Checkpoint, *parts: str) -> dict[str, Any]:
    """The tensors (below the prefixes `parts`, all without them) as something that == compares, NaN and all."""
    return {
        name: (tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        for name, tensor in checkpoint.tensors.items()
        if not parts or name.split(".")[0] in parts
    }


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def same_run(a: Path, b: Path) -> None:
    """Fails where two runs differ in anything but wall time."""
    for read in (last, best):
        assert bits(read(a)) == bits(read(b)), f"{read.__name__} checkpoints of {a} and {b} differ in a tensor"
        assert without_time(read(a).facts) == without_time(read(b).facts), f"{read.__name__}: facts of {b} differ"
    same_curves(a, b)
    assert without_time(summary_of(a)) == without_time(summary_of(b)), f"the summary of {b} differs"


def same_curves(a: Path, b: Path) -> None:
    """Fails where the curves of two runs differ in anything but wall time."""
    assert without_time(records(a)) == without_time(records(b)), f"metrics.jsonl of {b} differs"
    for part in ("train", "dev"):
        assert without_time(scalars(a, part)) == without_time(scalars(b, part)), f"the {part} curves of {b} differ"


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """Lets something happen in the run after the given step."""
    from nntrain.terminal import ProgressBar

    show = ProgressBar.step

    def step_and_act(self: ProgressBar, number: int) -> None:
        show(self, number)
        if number == step:
            action()

    monkeypatch.setattr(ProgressBar, "step", step_and_act)
