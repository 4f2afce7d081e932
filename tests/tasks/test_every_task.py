"""What holds of every task: clipping, accumulation, bf16, resumption bit for bit, eval, predict, things to see."""

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from every_task import SUMS, TASKS, text_of, train_teacher

from nntrain.assemble import assemble
from nntrain.batch import Batch, each
from nntrain.closure import Closure
from nntrain.config import load
from nntrain.parts import Parts
from nntrain.registry import Registry
from runs import at_step, instant_disk, last, pictures, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
each_task = pytest.mark.parametrize("name", TASKS)


@pytest.fixture
def config(name: str, write: Write, command: Command) -> Path:
    teacher = train_teacher(write, command) if name == "distillation" else Path()
    return write(text_of(name, teacher))


def test_every_task_is_here() -> None:
    assert sorted(TASKS) == Registry().names("task")


@each_task
def test_a_run_in_bf16_with_clipping_and_accumulation(name: str, config: Path, command: Command) -> None:
    fitted = command("fit", config, "trainer.precision=bf16", "trainer.clip=0.1", "trainer.accumulate=2", "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["status"] == "finished"
    numbers = [*fitted.json["train"].values(), *fitted.json["dev"].values()]
    assert numbers and all(number is not None and math.isfinite(number) for number in numbers)


@each_task
def test_a_stopped_run_ends_like_a_whole_one(
    name: str, config: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path(command("fit", config, "--out", "whole", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", config, "--out", "stopped", "--json")
    assert stopped.status == 130, stopped.err
    resumed = command("fit", "--resume", stopped.json["run"])
    assert resumed.status == 0, resumed.err
    same_run(whole, Path(stopped.json["run"]))
    assert pictures(whole) == pictures(Path(stopped.json["run"]))


@each_task
def test_a_trained_model_is_measured_and_applied(name: str, config: Path, command: Command) -> None:
    fitted = command("fit", config, "--json").json
    checkpoint = Path(fitted["run"]) / "checkpoints" / "last.safetensors"
    measured = command("eval", checkpoint, "--json").json
    assert measured["metrics"].keys() == fitted["dev"].keys()
    if name not in ("contrastive", "gan"):  # whose evaluation draws random numbers
        assert measured["metrics"] == pytest.approx(fitted["dev"], rel=1e-5)
    tables = command("eval", checkpoint)
    assert tables.status == 0, tables.err
    predicted = command("predict", checkpoint)
    assert predicted.status == 0, predicted.err
    rows = [json.loads(line) for line in predicted.out.splitlines()]
    assert len(rows) == measured["examples"]
    assert all(row.keys() == rows[0].keys() and len(row) > 2 for row in rows)


def parts_of(config: Path) -> Parts:
    document = load(config)
    document.data.setdefault("name", "my")
    return assemble(document)


def taken(batch: Batch, some: slice) -> Batch:
    return Batch(*(each(lambda part: part[some], what) for what in batch))


@pytest.mark.parametrize("name", SUMS)
def test_uneven_batches_give_the_gradient_of_one_big_batch(name: str, config: Path) -> None:
    parts = parts_of(config)
    batch = next(iter(parts.data.train.sample(23, 0).in_order()))
    weighted = batch._replace(weights=torch.linspace(0.5, 2.0, batch.examples))
    (objective,), model = parts.task.objectives, parts.model.eval()
    parameters = list(model.parameters())
    for whole in (batch, weighted):
        uneven = [taken(whole, slice(*ends)) for ends in ((0, 1), (1, 9), (9, 23))]
        one, several = (
            Closure(model, objective, parameters, batches, [], parts.device) for batches in ([whole], uneven)
        )
        torch.testing.assert_close(several.value, one.value, rtol=1e-5, atol=1e-6)
        for a, b in zip(several.gradients, one.gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@each_task
def test_looking_at_samples_changes_no_bit(name: str, config: Path, command: Command) -> None:
    runs = [
        Path(command("fit", config, f"trainer.samples={wanted}", "--out", wanted, "--json").json["run"])
        for wanted in ("true", "false")
    ]
    seen, unseen = (last(run) for run in runs)
    assert seen.tensors.keys() == unseen.tensors.keys()
    assert all(torch.equal(tensor, unseen.tensors[key]) for key, tensor in seen.tensors.items() if "gauss" not in key)
    assert pictures(runs[1]) == {}


SHOWN = {
    "autoencoding": {"reconstructions"},
    "classification": {"hardest"},
    "denoising": {"reconstructions"},
    "detection": {"objects"},
    "distillation": {"hardest"},
    "gan": {"samples"},
    "instance_segmentation": {"objects"},
    "language_model": {"continuation"},
    "multi_task": {"parity/hardest"},
    "rbm": {"weights", "samples"},
    "sequence_generation": {"said"},
    "tagging": {"tags"},
    "transcription": {"transcripts"},
}


@pytest.mark.parametrize("name", SHOWN)
def test_there_is_something_to_see_at_every_evaluation(name: str, config: Path, command: Command) -> None:
    run = Path(command("fit", config, "--json").json["run"])
    evaluations = [6, 12] if name == "language_model" else [4, 8, 12]
    assert pictures(run).keys() == {(tag, step) for tag in SHOWN[name] for step in evaluations}
