"""nntrain verify-resume: the proof that a killed run ends like one that was not, for a user's own config."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.checkpoint import Checkpoint, load, serialise
from nntrain.same_runs import first_difference
from runs import TINY, only_run

Command = Callable[..., Any]

# Its state lies outside of what a checkpoint keeps: a plug-in that counts its own steps.
FORGETFUL = """
import torch
from nntrain.registry import model

@model("forgetful")
class Forgetful(torch.nn.Module):
    '''Draws its noise from a generator of its own.'''

    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = torch.nn.Linear(inputs.features, len(outputs))
        self.own = torch.Generator().manual_seed(0)

    def forward(self, x):
        noise = torch.randn(x.shape, generator=self.own) if self.training else 0
        return self.layer(x + noise)
"""
WEIGHT = "model.body.layers.0.linear.weight"
LONG = """
data: {type: iris, batch_size: 8}
model: {type: mlp, hidden: [8], dropout: 0.2}
trainer: {length: 400 steps, evaluate: 50 steps}
"""


def test_a_config_that_resumes_is_proven(command: Command, write: Callable[..., Path]) -> None:
    said = command("verify-resume", write(LONG), "--kills", "2", "--json")
    assert said.status == 0, said.err
    assert said.json["same"] is True
    assert said.json["steps"] == 400
    assert len(said.json["kills"]) == 2


def test_a_config_that_does_not_is_found_out(command: Command, write: Callable[..., Path]) -> None:
    write(FORGETFUL, "forgetful.py")
    config = "plugins: [forgetful.py]\n" + LONG.replace("{type: mlp, hidden: [8], dropout: 0.2}", "forgetful")
    said = command("verify-resume", write(config), "--kills", "1", "--json")
    assert said.status == 1, said.err
    assert said.json["same"] is False
    assert "the bits of the tensor model." in said.json["difference"]


def test_a_wrong_config_is_pointed_at(command: Command, write: Callable[..., Path]) -> None:
    refused = command("verify-resume", write(TINY + "seeed: 1\n"))
    assert refused.status == 2
    assert "did you mean 'seed'?" in refused.err


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_sigterm_leaves_no_training_and_no_folder_behind(write: Callable[..., Path], tmp_path: Path) -> None:
    config = write(LONG.replace("400 steps", "1000000 steps"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "nntrain", "verify-resume", str(config)]
    proof = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(temporary.glob("*/straight/my/*/metrics.jsonl")):
        assert proof.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    (child,) = Path(f"/proc/{proof.pid}/task/{proof.pid}/children").read_text().split()
    proof.terminate()
    said = proof.communicate(timeout=60)[1]
    assert (proof.returncode, said.splitlines()[-1]) == (143, "stopped by SIGTERM")
    assert not Path(f"/proc/{child}").exists()
    assert list(temporary.iterdir()) == []


@pytest.fixture
def run(command: Command, write: Callable[..., Path], tmp_path: Path) -> Path:
    assert command("fit", write(TINY)).status == 0
    return only_run(tmp_path / "runs")


def change_bit(run: Path) -> None:
    path = run / "checkpoints" / "last.safetensors"
    stored = load(path)
    weight = stored.tensors[WEIGHT]
    weight.view(torch.int32)[0, 0] ^= 1
    path.write_bytes(serialise(Checkpoint(stored.tensors, stored.facts)))


def change_fact(run: Path) -> None:
    path = run / "checkpoints" / "last.safetensors"
    stored = load(path)
    path.write_bytes(serialise(Checkpoint(stored.tensors, {**stored.facts, "returns": 3, "seconds": 1e9})))


def change_line(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join(lines[:-1]) + "\n")


def change_summary(run: Path) -> None:
    text = (run / "summary.json").read_text()
    (run / "summary.json").write_text(text.replace('"finished"', '"stopped_early"'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_bit, f"last: the bits of the tensor {WEIGHT}"),
        (change_fact, "last: returns"),
        (change_line, "metrics.jsonl: 6 and 5 lines"),
        (change_summary, "the summary"),
        (lambda run: (run / "checkpoints" / "best.safetensors").unlink(), "only one run has a checkpoint best"),
    ],
    ids=["a bit", "a fact", "a line", "the summary", "a checkpoint"],
)
def test_the_first_difference_is_named(run: Path, tmp_path: Path, change: Callable[[Path], None], said: str) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    assert first_difference(run, other) is None
    change(other)
    assert re.match(rf"{re.escape(said)}(:|$)", first_difference(run, other) or "")
