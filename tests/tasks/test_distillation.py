"""Learning from a trained network."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from every_task import TASKS, TRAINER, text_of, train_teacher
from torch import Tensor

from nntrain.assemble import assemble
from nntrain.batch import Batch
from nntrain.config import load
from nntrain.measure import trained
from nntrain.teacher import Teacher
from runs import instant_disk, runs_in  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]


def assembled(path: Path) -> Any:
    document = load(path)
    document.data.setdefault("name", "my")
    return assemble(document)


def first_batch(parts: Any) -> Batch:
    return next(iter(parts.data.train.sample(40, 0).in_order()))


def own_answers(run: Path, parts: Any, batch: Batch) -> Tensor:
    """What the teacher says of the examples as they come, prepared by itself."""
    _, teacher = trained(run, [], False, print)
    mean, deviation = (parts.data.learned.tensors[name].float() for name in ("mean", "deviation"))
    pixels = batch.inputs * deviation.view(1, -1, 1, 1) + mean.view(1, -1, 1, 1)
    with torch.no_grad():
        return teacher.model.eval()(teacher.data._prepare(pixels))


def test_the_loss_is_that_of_the_paper(write: Write, command: Command) -> None:
    run = train_teacher(write, command)
    parts = assembled(write(text_of("distillation", run)))
    batch, (objective,) = first_batch(parts), parts.task.objectives
    z = torch.randn(40, 10, generator=torch.Generator().manual_seed(0))
    value = objective.loss(z, batch).over(objective.counts(batch))
    soft = (own_answers(run, parts, batch) / 3).softmax(dim=1)
    divergence = F.kl_div((z / 3).log_softmax(dim=1), soft, reduction="batchmean")
    torch.testing.assert_close(value, 0.2 * F.cross_entropy(z, batch.targets) + 0.8 * 9 * divergence)


def test_the_teacher_sees_inputs_as_it_was_trained_on_them(write: Write, command: Command) -> None:
    """The pupil's training set, and so its standardisation, is another."""
    run = train_teacher(write, command)
    parts = assembled(write(text_of("distillation", run)))
    batch = first_batch(parts)
    answers = Teacher(str(run), parts.data.learned)(batch.inputs)
    torch.testing.assert_close(answers, own_answers(run, parts, batch), rtol=1e-4, atol=1e-5)
    plain = assembled(write(text_of("distillation", run).replace("batch_size: 200", "standardize: false")))
    pixels = first_batch(plain)
    torch.testing.assert_close(Teacher(str(run), plain.data.learned)(pixels.inputs), answers, rtol=1e-4, atol=1e-5)


def test_evaluation_measures_against_the_labels(write: Write, command: Command) -> None:
    parts = assembled(write(text_of("distillation", train_teacher(write, command))))
    batch = first_batch(parts)
    outcome = parts.task.evaluate(parts.model.eval(), batch)
    expected = F.cross_entropy(parts.model(batch.inputs), batch.targets)
    torch.testing.assert_close(outcome.loss.over(outcome.counts), expected)


def test_a_taught_model_is_used_without_its_teacher(write: Write, command: Command, tmp_path: Path) -> None:
    run = train_teacher(write, command)
    taught = command("fit", write(text_of("distillation", run)), "--json").json
    shutil.rmtree(run)
    measured = command("eval", taught["run"], "--json")
    assert measured.status == 0, measured.err
    assert measured.json["metrics"] == pytest.approx(taught["best"]["metrics"], rel=1e-5)
    before = len(runs_in(tmp_path))
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert "task.teacher: there is no checkpoint" in refused.err
    assert len(runs_in(tmp_path)) == before


OTHERS = {
    "data: iris\nmodel: {type: mlp, hidden: [4]}\n": "was trained on other inputs: vectors of 4 features",
    "data: digit_facts\nmodel: {type: mlp, hidden: [4]}\n"
    "task: {type: multi_task, heads: {parity: {task: classification}}}\n": "was trained on other targets",
    "data: {type: digits, standardize: min_max}\nmodel: {type: mlp, hidden: [4]}\n": "were prepared in another way",
    "data: {type: digits, standardize: false}\nmodel: {type: autoencoder, code: 2}\n"
    "task: autoencoding\n": "autoencoder",
}


@pytest.mark.parametrize(("teacher", "said"), OTHERS.items())
def test_a_teacher_that_cannot_teach_this_is_refused(teacher: str, said: str, write: Write, command: Command) -> None:
    write(teacher + TRAINER, "other.yaml")
    run = command("fit", "other.yaml", "--out", "teachers", "--json").json["run"]
    refused = command("check", write(text_of("distillation", Path(run))))
    assert refused.status == 2
    assert "my.yaml:4:" in refused.err and "task.teacher: " in refused.err and said in refused.err


def test_the_examples_weights_count_in_both_parts(write: Write, command: Command) -> None:
    parts = assembled(write(text_of("distillation", train_teacher(write, command))))
    batch, (objective,) = first_batch(parts), parts.task.objectives
    z = torch.randn(40, 10, generator=torch.Generator().manual_seed(0))
    weights = torch.zeros(40).index_fill(0, torch.arange(10), 3.0)
    weighted = batch._replace(weights=weights)
    few = Batch(batch.inputs[:10], batch.targets[:10])
    value = objective.loss(z, weighted).over(objective.counts(weighted))
    torch.testing.assert_close(value, objective.loss(z[:10], few).over(objective.counts(few)))


def test_the_config_here_is_the_one_that_all_tasks_are_tested_with() -> None:
    assert "temperature: 3, hard: 0.2" in TASKS["distillation"]
