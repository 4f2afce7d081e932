"""A batch that does not fit into memory: one sentence, or pieces that make the same update."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from conftest import Called
from nntrain.batch import Batch, GraphBatch, GraphNodes, Pair, Sequences
from nntrain.out_of_memory import can_be_cut, cut
from runs import at_step, bits, instant_disk, last, only_run, same_run, summary_of  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

# A network that has memory for six examples at a time, from a step on.
SMALL = '''
import os

import torch
from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("narrow")
class Narrow(nn.Module):
    """Has memory for few examples in training."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = 7
        self.layer = nn.Linear(inputs.features, 7)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            self.passes += 1
            if len(x) > int(os.environ.get("ROOM", 1000)) and self.passes > 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.layer(x).tanh()
'''

CONFIG = """
plugins: [mine.py]
data: {type: iris, batch_size: 17}
model: narrow
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
regularizers: [{type: l2, weight: 0.01}]
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, preflight: false, oom: halve}
"""

LIMITED = """
import resource, sys
from pathlib import Path
from nntrain import cli
from nntrain.terminal import ProgressBar

show = ProgressBar.step

def step(self, number):
    show(self, number)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 40_000_000, -1))

ProgressBar.step = step
sys.argv = ["nntrain", *sys.argv[1:]]
cli.main()
"""

WIDE = """
data: {type: digits, batch_size: all}
model: {type: mlp, hidden: [16384]}
trainer: {length: 4 steps, evaluate: 100%, preflight: false}
"""


@pytest.fixture
def config(write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(SMALL, "mine.py")
    monkeypatch.setenv("ROOM", "6")
    return write(CONFIG)


def test_halves_make_the_same_updates(command: Command, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halved = command("fit", config, "--json")
    assert halved.status == 0, halved.err
    assert "taken in 2 pieces" in halved.err and "taken in 4 pieces" in halved.err and "in 8" not in halved.err
    monkeypatch.setenv("ROOM", "1000")
    whole = command("fit", config, "--out", "whole", "--json")
    states = [last(Path(called.json["run"])).part("model") for called in (halved, whole)]
    for name in ("body.layer.weight", "body.layer.bias", "head.weight"):
        torch.testing.assert_close(states[0][name], states[1][name], rtol=1e-4, atol=1e-6)


def test_a_halved_run_is_resumed_exactly(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 9, lambda: os.kill(os.getpid(), 15))
        assert command("fit", config, "--out", "killed").status == 143
    run = only_run(tmp_path / "killed")
    monkeypatch.setenv("ROOM", "1000")  # with more memory, too, it goes on in as many pieces
    assert command("fit", "--resume", run).status == 0
    same_run(whole, run)


def test_without_it_the_run_fails_with_one_sentence(command: Command, config: Path) -> None:
    failed = command("fit", config, "trainer.oom=fail", "trainer.save=2 steps", "--json")
    assert (failed.status, failed.json["status"]) == (1, "failed")
    assert "out of memory; try trainer.oom=halve" in failed.json["reason"]
    assert "Traceback" not in failed.err
    assert last(Path(failed.json["run"])).facts["position"]["step"] == 2


def test_a_single_example_that_does_not_fit_fails(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOM", "0")
    failed = command("fit", config, "--json")
    assert (failed.status, failed.json["status"]) == (1, "failed")
    assert "out of memory" in failed.json["reason"]


def test_another_error_is_no_lack_of_memory(command: Command, config: Path, write: Write) -> None:
    write(SMALL.replace("torch.OutOfMemoryError(", "RuntimeError("), "mine.py")
    failed = command("fit", config, "--json")
    assert failed.status == 1
    assert "RuntimeError: CUDA out of memory" in failed.json["reason"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_real_limit_of_memory_is_one_sentence(write: Write) -> None:
    config = write(WIDE)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "fit", config, "--json"],
        cwd=config.parent, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "out of memory" in json.loads(done.stdout)["reason"]
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")] == done.stderr.splitlines()[-1:]
    assert summary_of(only_run(config.parent / "runs"))["status"] == "failed"


def test_batches_of_rows_are_cut() -> None:
    x, lengths, y = torch.arange(14.0).view(7, 2), torch.arange(7), torch.arange(7)
    for inputs in (x, Sequences(x, lengths), Sequences(x), Pair(Sequences(x, lengths), Sequences(y, lengths))):
        pieces = cut(Batch(inputs, y, y), 3)
        assert [len(piece.targets) for piece in pieces] == [2, 2, 3]
        assert torch.equal(torch.cat([piece.targets for piece in pieces]), y)
        assert all(type(piece.inputs) is type(inputs) for piece in pieces)
        assert len(cut(Batch(inputs, y), 8)) == 7
    assert can_be_cut(Batch(x, y), 4) and not can_be_cut(Batch(x, y), 8)


def test_graphs_are_not_cut() -> None:
    edges = torch.zeros(2, 3, dtype=torch.long)
    for inputs in (GraphNodes(torch.ones(4, 2), edges, torch.arange(4)), GraphBatch(torch.ones(9, 2), edges, edges[0])):
        batch = Batch(inputs, torch.zeros(4))
        assert cut(batch, 2) == [batch] and not can_be_cut(batch, 1)
