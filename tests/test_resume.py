"""A run that was killed, wherever it was, ends bit for bit like one that never stopped."""

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from conftest import Called
from nntrain.checkpoint import Checkpoint, load, serialise
from nntrain.checkpoints import Checkpoints
from runs import (  # noqa: F401
    TINY,
    at_step,
    best,
    bits,
    contents,
    instant_disk,
    last,
    only_run,
    records,
    runs_in,
    same_curves,
    same_run,
    scalars,
    summary_of,
)

Command = Callable[..., Called]
Write = Callable[..., Path]
State = dict[str, bytes | None]  # a folder's files, and its folders as None
States = Callable[..., list[State]]

LONG = """
seed: 3
data: {type: digits, batch_size: 8}
model: {type: mlp, hidden: [32, 16], dropout: 0.2}
optimizer: {type: sgd, lr: 0.02, momentum: 0.9, nesterov: true}
scheduler: {type: cosine, warmup: 5%}
regularizers: [{type: l2, weight: 1e-4}]
trainer:
  length: 1000 steps
  evaluate: 25 steps
  save: 199 steps
  log: 7 steps
  clip: 5.0
  accumulate: 2
  early_stopping: {patience: 90%}
"""

STAGED = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 6 steps, evaluate: 3 steps, save: 4 steps, log: 2 steps}
stages:
  - {}
  - {optimizer: adam, trainer: {length: 60 steps, early_stopping: {patience: 3 steps, min_change: 0.9}}}
  - {model: {hidden: [8, 8]}, data: {batch_size: 20}, trainer: {early_stopping: null, length: 4 steps, save: 1 step}}
"""

CONFIGS = {
    "digits, mlp, adamw": """
data: {type: digits, batch_size: 32}
model: {type: mlp, hidden: [16], dropout: 0.2}
optimizer: {type: adamw, lr: 0.003, weight_decay: 0.01}
scheduler: {type: cosine, warmup: 10%}
trainer: {length: 40 steps, evaluate: 9 steps, save: 7 steps, log: 4 steps}
""",
    "iris, linear, nesterov, l2": """
data: {type: iris, batch_size: 10}
model: linear
optimizer: {type: sgd, lr: 0.1, momentum: 0.9, nesterov: true}
scheduler: {type: step, every: 8 steps, factor: 0.5}
regularizers: [{type: l2, weight: 0.01}, {type: l1, weight: 0.001}]
trainer: {length: 31 steps, evaluate: 4 steps, save: 6 steps, log: 1 step}
""",
    "diabetes, regression": """
data: {type: diabetes, batch_size: 64}
model: {type: mlp, hidden: [12], activation: tanh}
optimizer: {type: adam, lr: 0.01}
scheduler: {type: linear, final: 0.1, warmup: 3 steps}
trainer: {length: 7 epochs, evaluate: 1 epoch, save: 3 steps, log: 2 steps, monitor: dev/mae}
""",
    "batch normalisation": """
data: {type: wine, batch_size: 25}
model: {type: mlp, hidden: [10, 6], norm: batch, dropout: 0.1}
optimizer: {type: sgd, lr: 0.05, momentum: 0.8}
trainer: {length: 30 steps, evaluate: 6 steps, save: 5 steps, log: 4 steps}
""",
    "groups, one of them frozen for a while": """
data: {type: wine, batch_size: 25}
model: {type: mlp, hidden: [10, 6], norm: batch, dropout: 0.1}
optimizer:
  type: adamw
  lr: 0.02
  groups:
    - {match: "layers.0", frozen: 13 steps, lr: 0.3x}
    - {match: "bias$|norm", weight_decay: 0, betas: [0.5, 0.9]}
trainer: {length: 30 steps, evaluate: 6 steps, save: 4 steps, log: 3 steps}
""",
    "bf16": """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.3}
optimizer: {type: adamw, lr: 0.01}
trainer: {length: 24 steps, evaluate: 5 steps, save: 5 steps, log: 3 steps, precision: bf16}
""",
    "three batches an update": """
data: {type: iris, batch_size: 9}
model: {type: mlp, hidden: [8], dropout: 0.3}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 26 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, accumulate: 3}
""",
    "clipped, label smoothing": """
data: {type: breast_cancer, batch_size: 40}
model: {type: mlp, hidden: [6], activation: gelu}
task: {type: classification, label_smoothing: 0.1}
optimizer: {type: sgd, lr: 0.5, momentum: 0.9}
trainer: {length: 26 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, clip: 0.1}
""",
    "augmented and mixed images": """
data:
  type: digits
  batch_size: 32
  augment: [{type: shift, pixels: 1}, rotate, {type: elastic, sigma: 2}, erase, rand_augment, noise]
  mix: either
model: {type: mlp, hidden: [8], dropout: 0.2}
trainer: {length: 24 steps, evaluate: 5 steps, save: 5 steps, log: 3 steps, accumulate: 2}
""",
    "masked series, mixed": """
data:
  type: sequential_digits
  batch_size: 64
  augment: [time_masking, {type: frequency_masking, widest: 3}]
  mix: mixup
model: {type: gru, hidden: 6}
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "tokens replaced": """
data: {type: reversal, length: 4, symbols: 3, examples: 300, batch_size: 64, augment: [replace_tokens]}
model: {type: gru, hidden: 6}
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "stops early": """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.5}
optimizer: {type: sgd, lr: 0.3, momentum: 0.9}
trainer: {length: 200 steps, evaluate: 4 steps, save: 5 steps, log: 3 steps, early_stopping: {patience: 14 steps}}
""",
    "text book's momentum, reduce on plateau": """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.3}
optimizer: {type: sgd, lr: 0.3, momentum: 0.9, momentum_form: text_book, weight_decay: 0.01, decoupled: true}
regularizers: [{type: max_norm, largest: 1.5}, {type: activity, layer: body.layers.0}]
trainer: {length: 30 steps, evaluate: 2 steps, save: 5 steps, log: 3 steps, plateau: {patience: 4 steps}}
""",
    "muon in float64": """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8, 6]}
optimizer: {type: muon, lr: 0.05, rest_lr: 0.01}
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, precision: fp64}
""",
    "hessian_free, two batches an update": """
data: {type: iris, batch_size: 53}
model: {type: mlp, hidden: [6], dropout: 0.3}
optimizer: {type: hessian_free, iterations: 10}
trainer: {length: 8 steps, evaluate: 2 steps, save: 2 steps, log: 1 step, accumulate: 2}
""",
    "noise of Python and NumPy": """
plugins: [noisy.py]
data: {type: iris, batch_size: 16}
model: noisy
trainer: {length: 24 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "weight normalisation": """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8, 6], norm: weight, bottleneck: 3}
regularizers: [{type: l2, match: original0$}]
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "denoising autoencoder, tied weights": """
data: {type: digits, batch_size: 300}
model: {type: autoencoder, code: 4, tied: true, layers: {type: convolutional, channels: [2]}}
task: {type: denoising, noise: 0.3, masked: 0.2, sparsity: 0.01}
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "persistent chains": """
data: {type: bars_and_stripes, batch_size: 5}
model: {type: rbm, hidden: 4, chains: 6}
task: {type: rbm, steps: 2}
metrics: [log_likelihood]
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "two optimizers": """
data: {type: ring, examples: 200}
model: {type: gan, noise: 2, networks: {type: dense, hidden: [8]}}
task: {type: gan, discriminator_every: 2}
optimizer: {discriminator: {type: adam, lr: 0.01}, generator: {type: sgd, lr: 0.05, momentum: 0.5}}
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps}
""",
    "exponential moving average, batch normalisation, clipped adaptively": """
data: {type: wine, batch_size: 25}
model: {type: mlp, hidden: [10, 6], norm: batch, dropout: 0.1}
optimizer: {type: sgd, lr: 0.05, momentum: 0.8}
trainer:
  {length: 30 steps, evaluate: 6 steps, save: 5 steps, log: 4 steps, clip: adaptive, average: {type: ema, decay: 0.9}}
""",
    "stochastic weight averaging, clipped by value": """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
scheduler: {type: cosine_restarts, first: 5 steps}
trainer:
  length: 30 steps
  evaluate: 4 steps
  save: 7 steps
  clip: {type: value, limit: 0.01}
  average: {type: swa, start: 10 steps, every: 5 steps}
""",
    "weight noise, layers' gradient norms, class frequencies": """
data: {type: iris, batch_size: 9}
model: {type: mlp, hidden: [8, 6], norm: rms}
init: [class_frequencies]
regularizers: [{type: weight_noise, deviation: 0.1}, {type: l2, weight: 0.001}]
trainer: {length: 20 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, gradient_norms: true, accumulate: 2}
""",
    "stochastic depth, spatial dropout, group normalisation": """
data: {type: digits, batch_size: 16}
model:
  type: resnet
  stem: cifar
  depth: 8
  width: 4
  norm: {type: group, groups: 2}
  spatial_dropout: 0.2
  stochastic_depth: 0.5
trainer: {length: 12 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, preflight: false}
""",
    "variational dropout": """
data: {type: sequential_digits, read: rows, batch_size: 16}
model: {type: lstm, hidden: 6, layers: 2, variational: {inputs: 0.2, states: 0.3, outputs: 0.4}}
trainer: {length: 12 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, preflight: false}
""",
    "a transformer of stochastic depth": """
data: {type: reversal, length: 4, symbols: 5, examples: 300, batch_size: 16}
model:
  type: transformer
  form: {type: encoder, stochastic_depth: 0.5}
  width: 8
  heads: 2
  layers: 3
  normalization: rms
trainer: {length: 12 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, preflight: false}
""",
    "auxiliary heads": """
data: {type: digits, batch_size: 300}
model: {type: cnn}
task: {type: classification, auxiliary: [{layer: body.blocks.1}, {layer: body.blocks.3, weight: 0.1}]}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
trainer: {length: 12 steps, evaluate: 5 steps, save: 3 steps, log: 3 steps}
""",
    "layer by layer, then all": """
data: {type: digits, batch_size: 300, standardize: false}
model: {type: deep_belief_net, hidden: [6], chains: 5}
task: rbm
trainer: {length: 6 steps, evaluate: 3 steps, save: 4 steps, log: 2 steps}
stages:
  - {}
  - {model: {hidden: [6, 4]}}
  - model: {type: stacked_autoencoder, hidden: [6, 4], tied: true}
    task: denoising
    init: [{type: previous_stage, rename: {'^rbms.(.).weight': 'encoders.\\1.linear.weight',
            '^rbms.(.).hidden_bias': 'encoders.\\1.linear.bias', '^rbms.(.).visible_bias': 'decoders.\\1.linear.bias'}}]
""",
    "no dev set": """
data: {type: iris, batch_size: 16, split: {dev: 0}}
model: linear
trainer: {length: 24 steps, evaluate: 5 steps, save: 4 steps, log: 3 steps, monitor: train/loss}
""",
}

NOISY = '''
import random

import numpy
from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("noisy")
class Noisy(nn.Module):
    """Adds noise of generators that are not torch's."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.features

    def forward(self, x):
        return x + random.gauss(0, 1) + numpy.random.normal() if self.training else x
'''

HANGING = '''
import time
from pathlib import Path

from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("hanging")
class Hanging(nn.Module):
    """Hangs in its tenth step."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.features
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.steps == 10:
            Path("hangs").touch()
            time.sleep(100)
        return x
'''


# --- In processes of their own, as a user types it.


def start(folder: Path, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nntrain", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Called:
    out, err = process.communicate(timeout=120)
    return Called(process.returncode, out, err)


def wait_until(process: subprocess.Popen[str], is_so: Callable[[], bool]) -> None:
    """Waits for something that a process does; fails where it ends before."""
    until = time.monotonic() + 60
    while not is_so():
        assert process.poll() is None and time.monotonic() < until, f"the process did not get there: {end(process)}"
        time.sleep(0.002)


def evaluations(folder: Path) -> int:
    """How many evaluations the run in this folder has written."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("runs/*/*/metrics.jsonl"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long run, never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "my.yaml").write_text(LONG)
    called = end(start(folder, "fit", "my.yaml", PYTHONHASHSEED="1"))
    assert called.status == 0, called.err
    return only_run(folder / "runs")


def test_a_run_killed_and_stopped_at_random_moments_ends_like_a_whole_one(whole: Path, write: Write) -> None:
    """Killed before its first checkpoint (at the 8th evaluation) and late; between, stopped by both signals.

    All of that in processes that hash otherwise than the one of the whole run.
    """
    folder = write(LONG).parent
    chance = random.Random(7)
    arguments = ["fit", "my.yaml"]
    for number, fewest, most in (
        (signal.SIGKILL, 1, 3), (signal.SIGINT, 10, 14), (signal.SIGTERM, 16, 20), (signal.SIGKILL, 24, 28),
    ):  # fmt: skip
        process, moment = start(folder, *arguments, PYTHONHASHSEED="2"), chance.randint(fewest, most)
        wait_until(process, lambda moment=moment: evaluations(folder) >= moment)
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(number)
        ended, run = end(process), only_run(folder / "runs")
        arguments = ["fit", "--resume", str(run)]
        if number == signal.SIGKILL:
            assert ended.status == -signal.SIGKILL
        else:
            assert ended.status == 128 + number, ended.err
            summary = summary_of(run)
            assert summary["status"] == "interrupted"
            assert last(run).facts["position"]["step"] == summary["steps"] >= 25 * moment
            name, *arguments = shlex.split(ended.err.splitlines()[-1])  # the printed command resumes it
            assert name == "nntrain"
    resumed = end(start(folder, *arguments, PYTHONHASHSEED="2"))
    assert resumed.status == 0, resumed.err
    assert "resuming" in resumed.err
    same_run(whole, run)


ASKING = '''
import os, signal

from nntrain.models.linear import Linear
from nntrain.registry import model

os.kill(os.getpid(), signal.SIGUSR1)


@model("asking")
class Asking(Linear):
    """A linear model, in whose making the run is asked to save."""
'''


def test_sigusr1_before_there_is_a_state_does_nothing(write: Write) -> None:
    write(ASKING, "asking.py")
    config = write(f"plugins: [asking.py]\n{TINY}".replace("{type: mlp, hidden: [8], dropout: 0.2}", "asking"))
    ended = end(start(config.parent, "fit", config))
    assert ended.status == 0, ended.err


def test_a_second_ctrl_c_stops_at_once(write: Write) -> None:
    config = write(f"plugins: [hanging.py]\n{TINY}".replace("{type: mlp, hidden: [8], dropout: 0.2}", "hanging"))
    write(HANGING, "hanging.py")
    process = start(config.parent, "fit", "my.yaml", "trainer.capture=false")  # else its steps are counted once
    wait_until(process, (config.parent / "hangs").exists)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None  # the first one waits for the end of the step
    process.send_signal(signal.SIGINT)
    stopped = end(process)
    assert stopped.status == 130
    assert "Traceback" not in stopped.err
    assert last(only_run(config.parent / "runs")).facts["position"]["step"] == 7


def test_the_long_run_was_worth_the_comparison(whole: Path) -> None:
    points = scalars(whole, "train")
    evaluated = list(range(25, 1001, 25))
    logged = [step for step in range(1, 1001) if step % 7 == 0 or step % 25 == 0]
    assert [step for step, _ in points["loss"]] == evaluated
    assert [step for step, _ in points["objective"]] == logged
    assert [step for step, _ in scalars(whole, "dev")["by_epoch/loss"]] == list(range(1, 13))
    assert records(whole)[-1]["dev"]["error_rate"] < 0.1


# --- In this process: what a kill leaves is what lies on disk at that moment.


def content_of(path: Path) -> bytes:
    """Read without Path.open, which is watched."""
    with open(path, "rb") as file:
        return file.read()


@pytest.fixture
def states_of(command: Command, monkeypatch: pytest.MonkeyPatch) -> States:
    """Trains, and returns what lay on disk at each operation on a file: what a kill at that moment leaves."""

    def train(folder: Path, *arguments: object) -> list[State]:
        states: list[State] = []

        def look() -> None:
            paths = sorted(folder.rglob("*"))
            state = {str(path.relative_to(folder)): None if path.is_dir() else content_of(path) for path in paths}
            if not states or states[-1] != state:
                states.append(state)

        def watched(function: Callable[..., object]) -> Callable[..., object]:
            def call(*positional: object, **named: object) -> object:
                look()
                return function(*positional, **named)

            return call

        def write_in_two(path: Path, content: bytes) -> None:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                look()
                file.write(content[len(content) // 2 :])

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", watched(lambda descriptor: None))
            patch.setattr(os, "replace", watched(os.replace))
            patch.setattr(Path, "open", watched(Path.open))
            patch.setattr(Path, "write_bytes", write_in_two)
            called = command("fit", *arguments)
        assert called.status == 0, called.err
        return states

    return train


def put_back(state: State, folder: Path, chance: random.Random) -> None:
    """Makes a folder what a kill left: temporary files torn anywhere, and half a line at the end of the records."""
    for name, content in state.items():
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name.startswith("."):
            content = content[: chance.randint(0, len(content))]
        if path.name == "metrics.jsonl" or ".tfevents." in path.name:
            content += b'{"step'
        path.write_bytes(content)


def is_finished(state: State) -> bool:
    return any(name.endswith("/summary.json") for name in state)


def is_run(state: State) -> bool:
    return any(name.endswith("/config.yaml") and content for name, content in state.items())


@pytest.mark.parametrize("text", [TINY, STAGED], ids=["one stage", "three stages"])
def test_a_run_killed_at_any_operation_on_a_file_ends_like_a_whole_one(
    text: str, states_of: States, command: Command, write: Write, tmp_path: Path
) -> None:
    write(text)
    chance = random.Random(1)
    states = states_of(tmp_path / "whole", "my.yaml", "--out", "whole")
    killed = [state for state in states if not is_finished(state)]
    assert len(killed) >= 40
    if text == STAGED:
        killed = killed[::3]  # the first two of three say the same as in one stage
    for number, state in enumerate(killed):
        folder = tmp_path / str(number)
        put_back(state, folder, chance)
        resumed = command("fit", "my.yaml", "--resume", "auto", "--out", folder)
        assert resumed.status == 0, f"killed at operation {number}: {resumed.err}"
        runs = [run for run in runs_in(folder) if (run / "summary.json").exists()]
        same_run(only_run(tmp_path / "whole"), *runs)
        assert len(runs_in(folder)) == 1 or not is_run(state)  # it was gone on with, if it was there at all


def test_a_run_killed_again_and_again_ends_like_a_whole_one(
    states_of: States, command: Command, write: Write, tmp_path: Path
) -> None:
    write(TINY)
    chance = random.Random(2)
    states = states_of(tmp_path / "whole", "my.yaml", "--out", "whole")
    for number in range(6):
        state = chance.choice([state for state in states[: 2 * len(states) // 3] if is_run(state)])
        folder = tmp_path / str(number)
        put_back(state, folder, chance)
        states = states_of(folder, "--resume", only_run(folder))
        same_run(only_run(tmp_path / "whole"), only_run(folder))


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_a_killed_run_ends_like_a_whole_one_whatever_the_config(
    text: str, states_of: States, command: Command, write: Write, tmp_path: Path
) -> None:
    write(text)
    write(NOISY, "noisy.py")
    chance = random.Random(3)
    states = [s for s in states_of(tmp_path / "whole", "my.yaml", "--out", "whole") if is_run(s) and not is_finished(s)]
    for number, half in enumerate((states[: len(states) // 2], states[len(states) // 2 :])):
        folder = tmp_path / str(number)
        put_back(chance.choice(half), folder, chance)
        assert command("fit", "--resume", only_run(folder)).status == 0
        same_run(only_run(tmp_path / "whole"), only_run(folder))


def test_the_config_that_stops_early_does(command: Command, write: Write) -> None:
    summary = command("fit", write(CONFIGS["stops early"]), "--json").json
    assert summary["status"] == "stopped_early"
    assert 20 < summary["steps"] < 200


def test_a_second_ctrl_c_in_the_middle_of_saving_loses_nothing(
    command: Command, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(TINY)
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    replace, saves = os.replace, []

    def interrupted(source: object, target: object) -> None:
        replace(source, target)
        if str(target).endswith("previous.safetensors"):
            saves.append(target)
            if len(saves) == 3:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        stopped = command("fit", config)
    assert stopped.status == 130
    assert "Traceback" not in stopped.err
    run = only_run(tmp_path / "runs")
    assert not (run / "checkpoints" / "last.safetensors").exists()
    assert command("eval", run).status == 0
    assert command("fit", "--resume", run).status == 0
    same_run(whole, run)


# --- Which run, and with which settings.


@pytest.fixture
def interrupted(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Starts a run and stops it by Ctrl-C after a step."""

    def train(*arguments: object, step: int = 12) -> Path:
        with monkeypatch.context() as patch:
            at_step(patch, step, lambda: signal.raise_signal(signal.SIGINT))
            called = command("fit", *arguments, "--json")
        assert called.status == 130, called.err
        return Path(called.json["run"])

    return train


def test_auto_starts_a_run_where_there_is_none(command: Command, write: Write, tmp_path: Path) -> None:
    started = command("fit", write(TINY), "--resume", "auto")
    assert started.status == 0
    assert "starting one" in started.err
    assert summary_of(only_run(tmp_path / "runs"))["status"] == "finished"


def test_auto_goes_on_with_the_newest_unfinished_run(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    config = write(TINY)
    whole = Path(command("fit", config, "--json").json["run"])
    older, newer = interrupted(config), interrupted(config)
    other = interrupted(config, "optimizer.lr=0.1")
    resumed = command("fit", config, "--resume", "auto", "--json")
    assert resumed.status == 0
    assert Path(resumed.json["run"]) == newer
    assert f"resuming {newer} at step 13" in resumed.err
    assert {summary_of(run)["status"] for run in (older, other)} == {"interrupted"}
    same_run(whole, newer)
    assert Path(command("fit", config, "--resume", "auto", "--json").json["run"]) == older


def test_auto_passes_over_a_run_whose_config_was_never_whole(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    config = write(TINY)
    run = interrupted(config)
    text = (run / "config.yaml").read_bytes()
    (run / "config.yaml").write_bytes(text[: text.index(b"[") + 1])
    started = command("fit", config, "--resume", "auto", "--json")
    assert started.status == 0, started.err
    assert Path(started.json["run"]) != run


def test_auto_goes_on_with_a_lengthened_run_that_was_killed(
    states_of: States, command: Command, write: Write, tmp_path: Path
) -> None:
    config = write(TINY)
    assert command("fit", config, "--out", "whole").status == 0
    run = only_run(tmp_path / "whole")
    states = states_of(tmp_path / "whole", "--resume", run, "trainer.length=60 steps")
    middle = next(s for s in states if s[f"my/{run.name}/metrics.jsonl"].count(b"\n") == 9)
    put_back(middle, tmp_path / "killed", random.Random(0))
    resumed = command("fit", config, "trainer.length=60 steps", "--resume", "auto", "--out", "killed", "--json")
    assert resumed.status == 0, resumed.err
    assert Path(resumed.json["run"]) == only_run(tmp_path / "killed")
    same_run(run, only_run(tmp_path / "killed"))


def test_a_finished_run_is_refused_and_left_alone(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "--json").json["run"])
    before = contents(run)
    for overrides in ([], ["trainer.length=30 steps"], ["trainer.length=20 steps"]):
        refused = command("fit", "--resume", run, *overrides)
        assert refused.status == 2
        assert "finished" in refused.err
        assert "trainer.length" in refused.err
        assert contents(run) == before


def test_a_run_that_stopped_early_is_refused_and_left_alone(command: Command, write: Write) -> None:
    run = Path(command("fit", write(CONFIGS["stops early"]), "--json").json["run"])
    before = contents(run)
    assert command("fit", "--resume", run).status == 2
    assert contents(run) == before


def test_a_run_that_stopped_early_goes_on_with_more_patience(command: Command, write: Write) -> None:
    config = write(CONFIGS["stops early"])
    stopped = command("fit", config, "--json").json
    resumed = command("fit", "--resume", stopped["run"], "trainer.early_stopping.patience=40 steps", "--json")
    patient = command("fit", config, "trainer.early_stopping.patience=40 steps", "--json").json
    assert resumed.status == 0
    assert stopped["steps"] < resumed.json["steps"]
    same_curves(Path(patient["run"]), Path(stopped["run"]))
    for read in (last, best):
        assert bits(read(Path(patient["run"]))) == bits(read(Path(stopped["run"])))


def test_a_longer_finished_run_ends_like_one_that_was_as_long_from_the_start(command: Command, write: Write) -> None:
    config = write(TINY.replace("log: 3 steps", "log: 3 steps, monitor: dev/loss"))  # which is best at the end
    long = Path(command("fit", config, "trainer.length=50 steps", "--json").json["run"])
    short = Path(command("fit", config, "--json").json["run"])
    resumed = command("fit", "--resume", short, "trainer.length=50 steps")
    assert resumed.status == 0
    assert "changed: trainer.length: 30 steps -> 50 steps" in resumed.err
    same_run(long, short)
    assert (long / "config.yaml").read_bytes() == (short / "config.yaml").read_bytes()


def test_a_lengthened_run_says_the_rate_before_and_after(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY + "scheduler: linear\n"), step=14)
    resumed = command("fit", "--resume", run, "trainer.length=60 steps")
    assert resumed.status == 0
    assert re.search(r"(lr|rate)\b.*0\.025.*0\.0375", resumed.err), resumed.err


def test_another_config_is_refused_with_the_differences(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY))
    before = contents(run)
    other = write(TINY.replace("[8]", "[9]").replace("0.05", "0.1"), "other.yaml")
    refused = command("fit", other, "--resume", run)
    assert refused.status == 2
    assert "model.hidden: [8] -> [9]" in refused.err
    assert "optimizer.lr: 0.05 -> 0.1" in refused.err
    assert contents(run) == before


def test_the_same_config_may_be_named_with_its_run(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    config = write(TINY)
    run = interrupted(config)
    assert command("fit", config, "--resume", run).status == 0
    same_run(Path(command("fit", config, "--json").json["run"]), run)


def test_what_is_no_run_is_refused(command: Command, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        refused = command("fit", "--resume", path)
        assert refused.status == 2
        assert "not a run" in refused.err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "override",
    ["model.hidden=[9]", "model.norm=batch", "optimizer=adamw", "data=wine", "optimizer.lr=-1"],
)
def test_a_change_that_the_state_does_not_fit_is_refused_and_nothing_written(
    override: str, command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY))
    before = contents(run)
    refused = command("fit", "--resume", run, override)
    assert refused.status == 2, refused.err
    assert contents(run) == before
    assert command("fit", "--resume", run).status == 0


def test_a_setting_that_no_longer_works_may_be_changed(
    command: Command, write: Write, tmp_path: Path, interrupted: Callable[..., Path]
) -> None:
    """Such as a data.root of another machine, or a device that this one has not."""
    config = write(CONFIGS["noise of Python and NumPy"])
    plugin = write(NOISY, "noisy.py")
    whole = Path(command("fit", config, "--json").json["run"])
    run = interrupted(config)
    plugin.rename(tmp_path / "moved.py")
    assert command("fit", "--resume", run).status == 2
    resumed = command("fit", "--resume", run, "plugins=[moved.py]")
    assert resumed.status == 0, resumed.err
    same_curves(whole, run)


def test_another_rate_is_said_and_taken(command: Command, write: Write, interrupted: Callable[..., Path]) -> None:
    run = interrupted(write(TINY))
    resumed = command("fit", "--resume", run, "optimizer.lr=0.01")
    assert resumed.status == 0
    assert "changed: optimizer.lr: 0.05 -> 0.01" in resumed.err
    assert [record["train"]["lr"] for record in records(run)] == [0.05, 0.05, 0.01, 0.01, 0.01, 0.01]


def test_the_seconds_of_a_resumed_run_go_on_counting(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch, interrupted: Callable[..., Path]
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 8, lambda: time.sleep(0.2))
        run = interrupted(write(TINY))
    summary = command("fit", "--resume", run, "--json").json
    seconds = [record["seconds"] for record in records(run)]
    assert seconds == sorted(seconds)
    assert seconds[1] >= 0.2
    assert summary["seconds"] >= seconds[-1]


def test_early_stopping_that_a_resumed_run_gets_counts_from_its_best(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY), "trainer.monitor=dev/loss", step=22)
    resumed = command("fit", "--resume", run, "trainer.early_stopping.patience=12 steps", "--json")
    values = [record["dev"]["loss"] for record in records(run)]
    assert values == sorted(values, reverse=True)  # it got better all the time
    assert resumed.json["status"] == "finished"
    assert resumed.json["steps"] == 30


def test_a_resumed_run_judges_by_the_metric_that_it_is_given(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY))
    resumed = command("fit", "--resume", run, "trainer.monitor=dev/accuracy", "--json")
    values = {record["step"]: record["dev"]["accuracy"] for record in records(run) if record["step"] > 13}
    assert resumed.json["best"]["metric"] == "dev/accuracy"
    assert resumed.json["best"]["value"] >= max(values.values())


def test_the_best_model_is_the_one_that_the_summary_names(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a model that was better belongs to a history that was given up."""
    config = write(TINY.replace("save: 7 steps", "save: 12 steps"))

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        at_step(patch, 21, fail)
        run = Path(command("fit", config, "trainer.monitor=dev/loss", "--json").json["run"])
    assert last(run).facts["position"]["step"] == 12
    summary = command("fit", "--resume", run, "optimizer.lr=1e4", "--json").json
    assert summary["best"]["step"] == 10  # nothing was better after the resumption
    assert best(run).facts["position"]["step"] == summary["best"]["step"]
    measured = command("eval", run, "--json").json["metrics"]
    assert measured["loss"] == pytest.approx(summary["best"]["value"], rel=1e-5)


def test_the_best_model_is_the_one_that_the_summary_names_after_damage_too(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    config = write(TINY.replace("save: 7 steps", "save: 12 steps"))
    run = interrupted(config, "trainer.monitor=dev/loss", step=22)  # saved at 12 and, better, at 23
    damage(run / "checkpoints" / "last.safetensors")
    summary = command("fit", "--resume", run, "optimizer.lr=1e4", "--json").json
    assert best(run).facts["position"]["step"] == summary["best"]["step"]
    measured = command("eval", run, "--json").json["metrics"]
    assert measured["loss"] == pytest.approx(summary["best"]["value"], rel=1e-5)


def test_a_killed_run_whose_folder_was_renamed_goes_on(
    states_of: States, command: Command, write: Write, tmp_path: Path
) -> None:
    write(TINY)
    states = states_of(tmp_path / "whole", "my.yaml", "--out", "whole")
    whole = only_run(tmp_path / "whole")
    for number, state in enumerate(states[len(states) // 2 : len(states) // 2 + 5]):
        folder = tmp_path / str(number)
        put_back(state, folder, random.Random(number))
        renamed = only_run(folder).rename(folder / "my" / "0-renamed")
        resumed = command("fit", "--resume", renamed)
        assert resumed.status == 0, resumed.err
        same_run(whole, renamed)


def test_records_that_were_cut_after_the_run_stopped_are_refused(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY))
    (run / "metrics.jsonl").write_bytes(b"")
    before = contents(run)
    refused = command("fit", "--resume", run)
    assert refused.status == 2
    assert "metrics.jsonl" in refused.err
    assert contents(run) == before


# --- Damage.


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_named_and_set_aside_and_the_one_before_it_used(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    config = write(TINY)
    whole, run = Path(command("fit", config, "--json").json["run"]), interrupted(config)
    checkpoint = run / "checkpoints" / "last.safetensors"
    damage(checkpoint)
    damaged = checkpoint.read_bytes()
    resumed = command("fit", "--resume", run)
    assert resumed.status == 0
    assert f"{checkpoint}: damaged" in resumed.err
    assert f"resuming {run} at step 7" in resumed.err
    assert [path for path, content in contents(run).items() if content == damaged] == ["checkpoints/last.damaged"]
    same_run(whole, run)


def test_a_run_whose_checkpoints_are_all_damaged_starts_again(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    config = write(TINY)
    whole, run = Path(command("fit", config, "--json").json["run"]), interrupted(config)
    for name in ("last", "previous"):
        damage(run / "checkpoints" / f"{name}.safetensors")
    resumed = command("fit", "--resume", run)
    assert resumed.status == 0
    assert all(f"{name}.safetensors: damaged" in resumed.err for name in ("last", "previous"))
    assert resumed.err.count("the checkpoint before it is used") == 1
    same_run(whole, run)


def test_a_best_model_outlives_a_run_that_starts_again(
    command: Command, write: Write, interrupted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = interrupted(write(TINY))
    model = (run / "checkpoints" / "best.safetensors").read_bytes()
    for name in ("last", "previous"):
        damage(run / "checkpoints" / f"{name}.safetensors")
    at_step(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    stopped = command("fit", "--resume", run)
    assert stopped.status == 130
    assert model in contents(run).values()


def test_a_checkpoint_that_is_no_state_of_a_run_is_refused(
    command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    run = interrupted(write(TINY))
    (run / "checkpoints" / "last.safetensors").write_bytes((run / "checkpoints" / "best.safetensors").read_bytes())
    before = contents(run)
    refused = command("fit", "--resume", run)
    assert refused.status == 2, refused.err
    assert contents(run) == before


def minus(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


ODD: dict[str, Callable[[Checkpoint], Checkpoint]] = {
    "a negative step": lambda s: Checkpoint(s.tensors, {**s.facts, "position": {"stage": 0, "step": -3}}),
    "a negative length": lambda s: Checkpoint(s.tensors, {**s.facts, "lengths": {"metrics.jsonl": -5}}),
    "lengths as a list": lambda s: Checkpoint(s.tensors, {**s.facts, "lengths": [1]}),
    "seconds as text": lambda s: Checkpoint(s.tensors, {**s.facts, "seconds": "a"}),
    "returns as text": lambda s: Checkpoint(s.tensors, {**s.facts, "returns": "a"}),
    "curves as a list": lambda s: Checkpoint(s.tensors, {**s.facts, "curves": []}),
    "no meter": lambda s: Checkpoint(minus(s.tensors, "meter."), s.facts),
    "no generators": lambda s: Checkpoint(minus(s.tensors, "random."), s.facts),
    "short generators": lambda s: Checkpoint({**s.tensors, "random.python": torch.zeros(3).long()}, s.facts),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_state_that_nntrain_does_not_write_is_refused(
    odd: str, command: Command, write: Write, interrupted: Callable[..., Path]
) -> None:
    """Its checksum is right: somebody made it."""
    run = interrupted(write(TINY))
    path = run / "checkpoints" / "last.safetensors"
    path.write_bytes(serialise(ODD[odd](load(path))))
    before = contents(run)
    refused = command("fit", "--resume", run)
    assert refused.status == 2, refused.err
    assert len(refused.err.splitlines()) == 1 and "internal error" not in refused.err
    assert contents(run) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_the_place_of_a_state_is_not_waited_for(write: Write, interrupted: Callable[..., Path]) -> None:
    run = interrupted(write(TINY))
    for name in ("last", "best"):
        path = run / "checkpoints" / f"{name}.safetensors"
        path.unlink()
        os.mkfifo(path)
    refused = end(start(run, "fit", "--resume", run))
    assert refused.status == 2
    assert "it is not a file" in refused.err


def test_how_often_a_run_is_saved_changes_nothing(command: Command, write: Write) -> None:
    config = write(TINY)
    runs = [
        Path(command("fit", config, f"trainer.save={save}", "--json").json["run"])
        for save in ("1 step", "auto", "10 minutes", "1 epoch")
    ]
    for run in runs[1:]:
        assert bits(last(run)) == bits(last(runs[0]))
        assert bits(best(run)) == bits(best(runs[0]))
        same_curves(run, runs[0])


def test_no_temporary_file_is_left(states_of: States, command: Command, write: Write, tmp_path: Path) -> None:
    write(TINY)
    chance = random.Random(4)
    states = states_of(tmp_path / "whole", "my.yaml", "--out", "whole")
    torn = [state for state in states if is_run(state) and any("/." in name for name in state)]
    for number, state in enumerate(chance.sample(torn, 5)):
        folder = tmp_path / str(number)
        put_back(state, folder, chance)
        assert command("fit", "--resume", only_run(folder)).status == 0
    for folder in tmp_path.iterdir():
        names = {path.name for path in folder.rglob("*") if path.is_file()}
        assert not {name for name in names if name.startswith(".") or "damaged" in name}
    assert load(only_run(tmp_path / "whole") / "checkpoints" / "previous.safetensors").facts["position"]["step"] == 28


# --- Several states, and a model that is damaged.


def kept(run: Path) -> list[int]:
    return [load(path).facts["position"]["step"] for path in Checkpoints(run / "checkpoints").states()]


def test_as_many_states_are_kept_as_the_config_says(command: Command, write: Write) -> None:
    config = write(TINY)
    run_of = {keep: Path(command("fit", config, f"trainer.keep={keep}", "--json").json["run"]) for keep in (2, 4)}
    assert [kept(run) for run in run_of.values()] == [[30, 28], [30, 28, 21, 14]]
    names = {path.name for path in (run_of[4] / "checkpoints").glob("step-*")}
    assert names == {"step-00000014.safetensors", "step-00000021.safetensors"}
    assert bits(last(run_of[2])) == bits(last(run_of[4]))


@pytest.mark.parametrize("keep", ["1", "0", "-1", "2.5", "all", "2 epochs"])
def test_no_other_numbers_of_states_are_kept(keep: str, command: Command, write: Write, tmp_path: Path) -> None:
    refused = command("fit", write(TINY), f"trainer.keep={keep}")
    assert refused.status == 2
    assert "trainer.keep" in refused.err
    assert not (tmp_path / "runs").exists()


def test_a_run_that_keeps_several_ends_like_a_whole_one_wherever_it_is_killed(
    states_of: States, command: Command, write: Write, tmp_path: Path
) -> None:
    """Of the two newest states both may be damaged besides."""
    write(TINY)
    chance = random.Random(5)
    states = states_of(tmp_path / "whole", "my.yaml", "trainer.keep=4", "trainer.save=3 steps", "--out", "whole")
    killed = [state for state in states if is_run(state) and not is_finished(state)]
    whole = only_run(tmp_path / "whole")
    for number, state in enumerate(killed[::3]):
        folder = tmp_path / str(number)
        put_back(state, folder, chance)
        run = only_run(folder)
        for path in list(Checkpoints(run / "checkpoints").states())[: number % 3]:
            damage(path)
        resumed = command("fit", "--resume", run)
        assert resumed.status == 0, f"killed at operation {number}: {resumed.err}"
        same_run(whole, run)
        assert kept(run) == kept(whole)
        names = {path.name for path in run.rglob("*") if path.suffix != ".damaged"}
        assert names == {path.name for path in whole.rglob("*")}


def test_what_is_used_in_place_of_a_damaged_model_is_said(command: Command, write: Write) -> None:
    run = Path(command("fit", write(TINY), "trainer.keep=3", "--json").json["run"])
    folder = run / "checkpoints"
    order = [folder / f"{name}.safetensors" for name in ("best", "last", "previous", "step-00000021")]
    for damaged, used in pairwise(order):
        damage(damaged)
        measured = command("eval", run, "--json")
        assert measured.status == 0, measured.err
        assert f"{damaged}: damaged" in measured.err and f"{used.name} is used instead" in measured.err
        assert measured.json["checkpoint"] == str(used)
        assert measured.json["metrics"] == command("eval", used, "--json").json["metrics"]
    assert command("eval", order[0]).status == 2  # a file that is named is taken at its word
    damage(order[-1])
    refused = command("eval", run)
    assert refused.status == 2
    assert f"error: {order[-1]}: damaged" in refused.err
