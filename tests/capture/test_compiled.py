"""Compiled steps: plain ones to rounding, resumable bit for bit; and what happens where they cannot be."""

import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nntrain.batch import Batch
from nntrain.capture.compiled import Compiled
from nntrain.device import Device
from runs import at_step, best, bits, instant_disk, last, only_run, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

SMALL = """
data: {type: iris, batch_size: 30}
model: {type: mlp, hidden: [8], norm: batch, dropout: 0.2}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
regularizers: [{type: l2, weight: 0.001}]
trainer: {length: 12 steps, evaluate: 4 steps, save: 3 steps, log: 2 steps, clip: 1.0, preflight: false}
"""
compiler = pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that these tests share, so that each network is compiled once."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    return folder


def kept_code() -> list[str]:
    """Counts, as it grows, what was compiled and what was found in the cache."""
    from torch._dynamo.utils import counters

    return [
        name for name, times in counters["inductor"].items() if name.startswith("fxgraph_cache") for _ in range(times)
    ]


@compiler
def test_a_compiled_run_is_the_plain_one_to_rounding_and_its_code_is_kept(
    write: Write, command: Command, own_cache: Path
) -> None:
    config = write(SMALL)
    plain = command("fit", config, "--out", "plain", "--json").json
    before = kept_code().count("fxgraph_cache_hit")
    compiled = command("fit", config, "trainer.compile=true", "--out", "compiled", "--json").json
    found = compiled["compiled"]["model"]
    assert found["reason"] is None and found["steps"] == 12 and found["shapes"] >= 1
    assert "captured" not in compiled and "compiled" not in plain
    assert compiled["dev"]["loss"] == pytest.approx(plain["dev"]["loss"], rel=1e-3)
    one, two = (best(only_run(Path(out))) for out in ("plain", "compiled"))
    assert one.tensors.keys() == two.tensors.keys()  # the names of a plain run's
    assert list((own_cache / "nntrain" / "compiled").iterdir())
    again = command("fit", config, "trainer.compile=true", "--out", "again", "--json").json
    assert kept_code().count("fxgraph_cache_hit") > before
    same_run(Path(compiled["run"]), Path(again["run"]))


@compiler
def test_a_stopped_and_resumed_run_ends_bit_for_bit_like_a_straight_one(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(SMALL)
    command("fit", config, "trainer.compile=true", "--out", "straight")
    with monkeypatch.context() as patch:
        at_step(patch, 6, lambda: signal.raise_signal(signal.SIGTERM))
        assert command("fit", config, "trainer.compile=true", "--out", "stopped").status == 143
    assert command("fit", "--resume", only_run(Path("stopped"))).status == 0
    same_run(only_run(Path("straight")), only_run(Path("stopped")))


@compiler
def test_a_resumed_run_has_code_for_the_batches_that_it_had_before(
    write: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nntrain.capture.compiled.MOST", 1)
    config = write(SMALL)  # whose epochs end with a shorter batch, for which there is no code then
    straight = command("fit", config, "trainer.compile=true", "--out", "straight", "--json")
    assert straight.json["compiled"]["model"]["steps"] == 9 and straight.err.count("trainer.compile:") == 1
    assert "batches have more than 1 shapes" in straight.json["compiled"]["model"]["reason"]
    with monkeypatch.context() as patch:
        at_step(patch, 6, lambda: signal.raise_signal(signal.SIGTERM))  # the next batch is a shorter one
        assert command("fit", config, "trainer.compile=true", "--out", "stopped").status == 143
    assert command("fit", "--resume", only_run(Path("stopped"))).status == 0
    same_run(only_run(Path("straight")), only_run(Path("stopped")))


@compiler
def test_each_objective_of_a_task_is_compiled_and_micro_batches_add_up(write: Write, command: Command) -> None:
    config = write(
        "data: {type: ring, examples: 200, batch_size: 20}\nmodel: {type: gan, noise: 2, networks: {type: dense, "
        "hidden: [8]}}\ntask: gan\ntrainer: {length: 3 steps, evaluate: 3 steps, accumulate: 2, preflight: false}\n"
    )
    plain = command("fit", config, "--json").json
    compiled = command("fit", config, "trainer.compile=true", "--json").json
    assert {name: found["steps"] for name, found in compiled["compiled"].items()} == {
        "discriminator": 3,
        "generator": 3,
    }
    assert compiled["train"]["loss"] == pytest.approx(plain["train"]["loss"], rel=1e-4)


def test_without_a_compiler_steps_run_as_they_are(write: Write, command: Command) -> None:
    from torch._inductor import config as inductor

    plain = command("fit", write(SMALL), "--out", "plain")
    with inductor.patch({"cpp.cxx": ("no-such-compiler",)}):
        done = command("fit", write(SMALL), "trainer.compile=true", "--out", "compiled", "--json")
    assert done.status == 0 and plain.status == 0
    assert done.err.count("this machine has no C++ compiler; such steps run as they are") == 1
    assert done.json["compiled"]["model"] == {"steps": 0, "shapes": 0, "reason": "this machine has no C++ compiler"}
    one, two = (last(only_run(Path(out))) for out in ("plain", "compiled"))
    assert bits(one) == bits(two)


@compiler
def test_a_step_that_looks_at_values_runs_as_it_is(write: Write, command: Command) -> None:
    write(
        "from torch import Tensor, nn\nfrom nntrain.registry import model\nfrom nntrain.specs import Vector\n\n\n"
        '@model("moody")\nclass Moody(nn.Module):\n    def __init__(self, inputs: Vector) -> None:\n'
        "        super().__init__()\n        self.features = inputs.features\n        self.w = nn.Linear(4, 4)\n\n"
        "    def forward(self, x: Tensor) -> Tensor:\n        h = self.w(x)\n"
        "        return h if float(h.sum()) > 0 else -h\n",
        "moody.py",
    )
    config = write(
        f"plugins: [moody.py]\n{SMALL}".replace("{type: mlp, hidden: [8], norm: batch, dropout: 0.2}", "moody")
    )
    done = command("fit", config, "trainer.compile=true", "--json")
    assert done.status == 0, done.err
    assert done.json["compiled"]["model"]["reason"] == "the step reads the value of a tensor"
    assert done.err.count("trainer.compile:") == 1


@compiler
def test_a_step_that_is_another_each_time_is_found_out() -> None:
    calls = [0]

    def look(batches: Sequence[Batch]) -> list[Tensor]:
        calls[0] += 1  # a number that Python counts: the code would keep what it was
        return [batches[0].inputs.sum() * calls[0]]

    compiled = Compiled(look, nn.Linear(1, 1), Device("cpu"))
    batch = Batch(torch.ones(4, 3), torch.zeros(4, dtype=torch.long))
    found = [float(compiled([batch], ())[0]) for _ in range(3)]
    assert "does not give what the plain step gives" in compiled.reason and len(set(found)) == 3


@pytest.mark.parametrize("wrong", ["value", "buffer"])
def test_code_that_gives_what_is_not_finite_or_leaves_a_buffer_is_found_out(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = nn.BatchNorm1d(3)
    batch = Batch(torch.randn(4, 3), torch.zeros(4))
    right = float(model(batch.inputs).sum().detach())
    value = float("nan") if wrong == "value" else right
    monkeypatch.setattr("nntrain.capture.compiled.lacking", lambda device: "")
    monkeypatch.setattr("nntrain.capture.compiled.compiled", lambda *of: lambda inputs: [torch.tensor(value)])
    compiled = Compiled(lambda batches: [model(batches[0].inputs).sum().detach()], model, Device("cpu"))
    (found,) = compiled([batch], ())
    assert found.isfinite() and "does not give what the plain step gives" in compiled.reason
    assert int(model.num_batches_tracked) == 2  # one before it and that of the plain step


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["trainer.capture=true"], "trainer.capture: a compiled step needs no capturing"),
        (["optimizer=lbfgs", "trainer.clip=null"], "trainer.compile: this optimizer looks at more than one point"),
    ],
)
def test_what_would_have_no_effect_is_refused(write: Write, command: Command, settings: list[str], said: str) -> None:
    done = command("fit", write(SMALL), "trainer.compile=true", *settings)
    assert done.status == 2 and said in done.err


def test_a_layer_that_is_frozen_stays_so_while_steps_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3).eval())

    def look(batches: Sequence[Batch]) -> list[Tensor]:
        return [model(batches[0].inputs).detach()]

    batch = Batch(torch.randn(4, 3), torch.zeros(4))
    monkeypatch.setattr("nntrain.capture.compiled.lacking", lambda device: "")
    monkeypatch.setattr("nntrain.capture.compiled.compiled", lambda *of: lambda inputs: look([batch]))
    compiled = Compiled(look, model, Device("cpu"))
    compiled([batch], ())
    assert compiled.reason == "" and model.training and not model[1].training
