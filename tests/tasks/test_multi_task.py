"""Several heads on one body."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from nntrain.assemble import assemble
from nntrain.config import ConfigError, load
from nntrain.parts import Parts
from nntrain.specs import Classes, LabelSet, Several, Values, from_json, to_json
from runs import instant_disk  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]
CONFIG = """
data: {{type: digit_facts, batch_size: 100}}
model: {{type: mlp, hidden: [8]}}
task: {task}
trainer: {{length: 6 steps, evaluate: 3 steps}}
"""
ALL = """{type: multi_task, heads: {digit: {task: classification}, parity: {task: classification, weight: 0.5,
  metrics: [auroc]}, grey: {task: {type: regression, loss: absolute}, weight: 2}}}"""


def parts_of(path: Path) -> Parts:
    document = load(path)
    document.data.setdefault("name", "my")
    return assemble(document)


def test_the_loss_is_the_weighted_sum_of_the_heads(write: Write) -> None:
    parts = parts_of(write(CONFIG.format(task=ALL)))
    (objective,) = parts.task.objectives
    batch = next(iter(parts.data.train.sample(50, 0).in_order()))
    outputs = objective.outputs(parts.model, batch)
    assert outputs.shape == (50, 13)
    digits, parity, grey = outputs.split([10, 2, 1], dim=1)
    numbers = batch.targets[:, 0].long()
    mean, deviation = (
        torch.tensor(m) for m in (parts.data.targets.parts[2].mean, parts.data.targets.parts[2].deviation)
    )
    expected = (
        F.cross_entropy(digits, numbers)
        + 0.5 * F.cross_entropy(parity, numbers % 2)
        + 2 * F.l1_loss(grey, (batch.targets[:, 2:] - mean) / deviation)
    )
    torch.testing.assert_close(objective.loss(outputs, batch).over(objective.counts(batch)), expected)


def test_every_head_has_its_metrics_tables_and_answers(write: Write, command: Command) -> None:
    fitted = command("fit", write(CONFIG.format(task=ALL)), "--json").json
    usual = {"digit/error_rate", "digit/accuracy", "parity/error_rate", "parity/accuracy", "parity/auroc"}
    assert fitted["dev"].keys() == {"loss", *usual, "grey/rmse", "grey/mae", "grey/r2"}
    assert fitted["best"]["metric"] == "dev/digit/error_rate"
    tables = " ".join(command("eval", fitted["run"]).out.split())
    assert "digit: per class" in tables and "parity: confusion matrix" in tables
    first = json.loads(command("predict", fitted["run"]).out.splitlines()[0])
    assert first["digit"].keys() == first["parity"].keys() == {"class", "probability"}
    assert first["parity"]["class"] in ("even", "odd") and first["grey"].keys() == {"grey"}


def test_a_metric_of_a_head_is_that_of_its_task_alone(write: Write, command: Command) -> None:
    """With one head the task is classification."""
    task = "{type: multi_task, heads: {digit: {task: classification}}}"
    several = command("fit", write(CONFIG.format(task=task)), "--json").json
    parts = parts_of(Path("my.yaml"))
    assert [name for name, _ in parts.model.head.named_parameters()] == [
        f"{head}.{kind}" for head in ("digit", "parity", "grey") for kind in ("weight", "bias")
    ]
    assert set(several["dev"]) == {"loss", "digit/error_rate", "digit/accuracy"}
    assert several["dev"]["digit/error_rate"] == pytest.approx(1 - several["dev"]["digit/accuracy"])


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("multi_task", "task: multi_task needs the setting 'heads': settings (task, weight, metrics) under each name"),
        ("{type: multi_task, heads: {}}", "task.heads: name one of the targets digit, parity, grey at least"),
        ("{type: multi_task, heads: [digit]}", "task.heads: expected settings (task, weight, metrics) under each name"),
        ("{type: multi_task, heads: {digit: classification}}", "task.heads.digit: expected settings (task, weight"),
        (
            "{type: multi_task, heads: {digits: {task: classification}}}",
            "task.heads.digits: there is no target 'digits'; did you mean 'digit'?",
        ),
        (
            "{type: multi_task, heads: {digit: {task: regression}}}",
            "task.heads.digit.task: regression takes values (real numbers)",
        ),
        (
            "{type: multi_task, heads: {digit: {task: autoencoding}}}",
            "task.heads.digit.task: autoencoding learns no target; take another task",
        ),
        (
            "{type: multi_task, heads: {digit: {task: classification, weigth: 2}}}",
            "task.heads.digit.weigth: unknown setting of task.heads.digit; did you mean 'weight'?",
        ),
        (
            "{type: multi_task, heads: {grey: {task: regression, metrics: [accuracy]}}}",
            "task.heads.grey.metrics.0: accuracy takes classes",
        ),
        ("classification", "task: classification takes classes; digit_facts gives digit: 10 classes"),
    ],
)
def test_mistakes_are_pointed_at(task: str, said: str, write: Write) -> None:
    with pytest.raises(ConfigError) as error:
        parts_of(write(CONFIG.format(task=task)))
    assert said in str(error.value)


def test_a_metric_of_no_head_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"metrics\.0: auroc takes classes or sets of labels or links"):
        parts_of(write(CONFIG.format(task=ALL) + "metrics: [auroc]\n"))


def test_several_targets_lie_side_by_side() -> None:
    spec = Several(("kind", "marks", "size"), (Classes(("a", "b", "c")), LabelSet(("x", "y")), Values(("s",))))
    targets = torch.tensor([[2.0, 1.0, -100.0, 0.5], [0.0, 0.0, 1.0, 1.5]])
    parts = spec.by_name(targets)
    assert parts["kind"].tolist() == [2, 0]
    assert parts["marks"].tolist() == [[1, -100], [0, 1]]
    assert parts["size"].tolist() == [[0.5], [1.5]]
    learned = spec.learned_from(targets)
    assert learned.part("kind").counts == (1, 0, 1)
    assert (learned.part("marks").counts, learned.part("marks").known) == ((1, 1), (2, 1))
    assert learned.part("size").mean == (1.0,)
    assert len(spec) == 6 and spec.columns == 4
    assert from_json(json.loads(json.dumps(to_json(learned)))) == learned
