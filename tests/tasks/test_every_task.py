"""What holds of every task: clipping, accumulation, bf16, resumption bit for bit, two optimizers, captured steps, eval,
predict, things to see.

Most tests look at one run of each task, which is trained for the first of them.
"""

import json
import math
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from every_task import SHOWN, SUMS, TASKS, text_of, train_teacher
from torch import Tensor

from nntrain.assemble import assemble
from nntrain.batch import Batch, each
from nntrain.closure import Closure
from nntrain.config import load
from nntrain.parts import Parts
from nntrain.registry import Registry
from runs import at_step, bits, instant_disk, last, pictures, same_curves, same_run  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
each_task = pytest.mark.parametrize("name", TASKS, scope="module")  # the tests of a task one after the other


@pytest.fixture(scope="module")
def configs() -> dict[str, Path]:
    return {}


@pytest.fixture(scope="module")
def summaries() -> dict[str, dict[str, Any]]:
    return {}


@pytest.fixture
def config(name: str, configs: dict[str, Path], write: Write, command: Command) -> Path:
    if name not in configs:
        teacher = train_teacher(write, command) if name == "distillation" else Path()
        configs[name] = write(text_of(name, teacher))
    return configs[name]


@pytest.fixture
def whole(name: str, config: Path, summaries: dict[str, dict[str, Any]], command: Command) -> dict[str, Any]:
    """The summary of a run that was never stopped."""
    if name not in summaries:
        fitted = command("fit", config, "--out", config.parent / "whole", "--json")
        assert fitted.status == 0, fitted.err
        summaries[name] = fitted.json
    return summaries[name]


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
    name: str, config: Path, whole: dict[str, Any], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", config, "--out", "stopped", "--json")
    assert stopped.status == 130, stopped.err
    resumed = command("fit", "--resume", stopped.json["run"])
    assert resumed.status == 0, resumed.err
    same_run(Path(whole["run"]), Path(stopped.json["run"]))
    assert pictures(Path(whole["run"])) == pictures(Path(stopped.json["run"]))


# Tasks whose steps cannot be captured, as shapes depend on values: torchvision's Mask R-CNN takes the objects that are
# there, CTC as many places as the longest text has.
UNCAPTURED = {"instance_segmentation", "transcription"}


@each_task
def test_a_run_of_captured_steps_ends_with_the_same_bits(
    name: str, config: Path, whole: dict[str, Any], command: Command
) -> None:
    fitted = command("fit", config, "trainer.capture=true", "--json").json
    for objective, captured in fitted["captured"].items():
        if name in UNCAPTURED:
            assert "depends on values" in captured["reason"]
        else:
            assert captured["reason"] is None, objective
            assert captured["steps"] > 0
    plain, run = Path(whole["run"]), Path(fitted["run"])
    assert bits(last(run)) == bits(last(plain))
    same_curves(run, plain)


@each_task
def test_a_trained_model_is_measured_and_applied(name: str, whole: dict[str, Any], command: Command) -> None:
    checkpoint = Path(whole["run"]) / "checkpoints" / "last.safetensors"
    measured = command("eval", checkpoint, "--json").json
    assert measured["metrics"].keys() == whole["dev"].keys()
    if name not in ("contrastive", "gan"):  # whose evaluation draws random numbers
        assert measured["metrics"] == pytest.approx(whole["dev"], rel=1e-5)
    tables = command("eval", checkpoint)
    assert tables.status == 0, tables.err
    predicted = command("predict", checkpoint)
    assert predicted.status == 0, predicted.err
    rows = [json.loads(line) for line in predicted.out.splitlines()]
    assert len(rows) == measured["examples"]
    assert all(row.keys() == rows[0].keys() and len(row) > 2 for row in rows)


def parts_of(config: Path, *overrides: str) -> Parts:
    document = load(config, overrides)
    document.data.setdefault("name", "my")
    return assemble(document)


def moved(parts: Parts) -> dict[str, float]:
    """How far the first update moves what each objective trains."""
    before = {name: vector_of(rule.parameters) for name, rule in parts.optimizers.items()}
    update, batches = parts.update(), next(parts.data.train.stream(parts.order.updates(0)))
    parts.model.train()
    parts.device.seed(0)
    update(0, batches, 1.0)
    return {name: float((vector_of(parts.optimizers[name].parameters) - old).norm()) for name, old in before.items()}


def vector_of(parameters: Iterable[Tensor]) -> Tensor:
    return torch.cat([p.detach().double().flatten() for p in parameters])


@each_task
def test_clipping_bounds_the_step_of_every_objective(name: str, config: Path) -> None:
    lengths = moved(parts_of(config, "optimizer={type: sgd, lr: 1}", "trainer.clip=0.01"))
    assert all(0 < length <= 0.01 * (1 + 1e-4) for length in lengths.values()), lengths


@each_task
def test_every_objective_may_have_an_optimizer_of_its_own(name: str, config: Path) -> None:
    objectives = [objective.name for objective in parts_of(config).task.objectives]
    rules = {objective: ("adam", "sgd")[number % 2] for number, objective in enumerate(objectives)}
    parts = parts_of(config, f"optimizer={json.dumps({key: {'type': rule} for key, rule in rules.items()})}")
    assert {key: type(made.rule).__name__.lower() for key, made in parts.optimizers.items()} == rules
    assert all(length > 0 for length in moved(parts).values())


def taken(batch: Batch, some: slice) -> Batch:
    return Batch(*(each(lambda part: part[some], what) for what in batch))


WITHOUT_STATISTICS = {"multi_task": "model.norm=layer"}  # of batches, which parts of them have not


@pytest.mark.parametrize("name", SUMS, scope="module")
def test_uneven_batches_give_the_gradient_of_one_big_batch(name: str, config: Path) -> None:
    parts = parts_of(config, *([WITHOUT_STATISTICS[name]] if name in WITHOUT_STATISTICS else []))
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
def test_looking_at_samples_changes_no_bit(name: str, config: Path, whole: dict[str, Any], command: Command) -> None:
    unseen = Path(command("fit", config, "trainer.samples=false", "--json").json["run"])
    assert pictures(unseen) == {}
    tensors, others = last(Path(whole["run"])).tensors, last(unseen).tensors
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[key]) for key, tensor in tensors.items() if "gauss" not in key)


@each_task
def test_there_is_something_to_see_at_every_evaluation(name: str, whole: dict[str, Any]) -> None:
    evaluations = [6, 12] if name == "language_model" else [4, 8, 12]
    shown = {(tag, step) for tag in SHOWN[name] for step in evaluations}
    assert pictures(Path(whole["run"])).keys() == shown
