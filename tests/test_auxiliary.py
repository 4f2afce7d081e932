"""Auxiliary heads: on which layers they can stand, what they read there, and what their losses do."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from made import made
from torch import Tensor, nn

from every_model import Instance, networks
from nntrain.assemble import assemble
from nntrain.auxiliary import AuxiliaryHeads, Layout, judged
from nntrain.batch import Batch, Sequences
from nntrain.config import load
from nntrain.errors import UnfitError
from nntrain.parts import Parts
from nntrain.specs import Classes, Image, LabelSet, Series, Tags, Tokens, Values, Vector, Video
from runs import instant_disk, last, only_run, records, scalars, summary_of  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

TAKEN = (Vector, Image, Video, Series, Tokens)
LEARNED = (Classes, Values, Tags, Tokens, LabelSet)
INSTANCES = [i for i in networks() if isinstance(i.inputs, TAKEN) and isinstance(i.targets, LEARNED)]


def with_heads(instance: Instance) -> tuple[nn.Module, AuxiliaryHeads, list[str]]:
    """A model with a head on every layer on which one can stand, and the names of these."""
    model = instance.make()
    layers = {name: layer for name, layer in model.named_modules() if name}
    layouts = judged(model, list(layers.values()), instance.inputs, instance.targets)
    names = [name for name, layout in zip(layers, layouts, strict=True) if isinstance(layout, Layout)]
    model.auxiliary = AuxiliaryHeads(model, names, instance.inputs, instance.targets)
    return model, model.auxiliary, names


@pytest.mark.parametrize("instance", INSTANCES, ids=str)
def test_a_head_on_any_layer_of_any_model_gives_what_the_network_gives(instance: Instance) -> None:
    model, heads, names = with_heads(instance)
    outputs = model.train()(instance.batch())
    taken = dict(heads._outputs)
    for number, name in enumerate(names):
        if number in taken:
            assert taken[number].shape == outputs.shape, name
            (gradient,) = torch.autograd.grad(taken[number].sum(), heads[number].weight)
            assert gradient.isfinite().all(), name
        else:
            assert "forwards" in name or "backwards" in name  # recurrent layers with noise on their states
    assert taken or len([name for name, _ in instance.make().named_modules() if name]) < 2


OVER_TIME = ("gru", "lstm", "tdnn", "transformer")
SEQUENTIAL = [i for i in INSTANCES if isinstance(i.inputs, Series | Tokens) and i.name in OVER_TIME]


@pytest.mark.parametrize("instance", SEQUENTIAL, ids=str)
def test_padding_changes_nothing(instance: Instance) -> None:
    """A sequence beside longer ones, and alone."""
    whole, shortest = instance.batch(), 1
    length = int(whole.lengths[shortest])
    alone = Sequences(whole.values[shortest : shortest + 1, :length], None)
    model, heads, names = with_heads(instance)
    beside, single = (heads.taken() for x in (whole, alone) if model.eval()(x) is not None)
    for name, one, several in zip(names, single, beside, strict=True):
        expected = several[shortest, :length] if instance.targets.per_position else several[shortest]
        torch.testing.assert_close(one[0], expected, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_maps_are_averaged_over_all_places() -> None:
    maps = torch.randn(4, 3, 5, 6)
    torch.testing.assert_close(Layout(3, None, False).read(maps, None, 1), maps.mean(dim=(2, 3)))


def test_sequences_are_averaged_over_the_steps_that_are_no_padding() -> None:
    x, lengths = torch.randn(3, 6, 2), torch.tensor([6, 3, 1])
    expected = torch.stack([x[i, :n].mean(dim=0) for i, n in enumerate(lengths)])
    torch.testing.assert_close(Layout(2, 1, False).read(x, lengths, 6), expected)
    torch.testing.assert_close(Layout(2, 2, False).read(x.transpose(1, 2), lengths, 6), expected)
    halved = torch.stack([x[i, : (n + 1) // 2].mean(dim=0) for i, n in enumerate(lengths)])
    torch.testing.assert_close(Layout(2, 1, False).read(x[:, :3], lengths, 6), halved)


def test_a_copy_of_the_network_has_heads_of_its_own() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model.auxiliary = AuxiliaryHeads(model, ["0"], Vector(4), Classes(("a", "b")))
    twin: Any = copy.deepcopy(model)
    with torch.no_grad():
        twin.auxiliary[0].weight.zero_()
        twin.auxiliary[0].bias.fill_(7.0)
    twin(torch.randn(2, 4))
    assert twin.auxiliary.taken()[0].tolist() == [[7.0, 7.0]] * 2
    with pytest.raises(UnfitError, match="does not always run"):
        model.auxiliary.taken()


# --- The task.

DIGITS = """
data: {type: digits, batch_size: 40}
model: {type: mlp, hidden: [12, 8]}
task: {type: classification, label_smoothing: 0.2, auxiliary: [{layer: body.layers.0, weight: 0.5}]}
optimizer: {type: sgd, lr: 0.1}
trainer: {length: 6 steps, evaluate: 3 steps}
"""


def parts_of(write: Write, text: str = DIGITS, *overrides: str) -> Parts:
    return assemble(load(write(text), ["name=my", *overrides]))


def first_batch(parts: Parts) -> Batch:
    return next(parts.data.train.stream(parts.order.updates(0)))[0]


def by_hand(parts: Parts, x: Tensor) -> tuple[Tensor, Tensor]:
    """The network's outputs and those of the head, layer by layer."""
    model: Any = parts.model
    first = model.body.layers[0](x.flatten(1))
    return model.head(model.body.layers[1](first)), model.auxiliary[0](first)


def test_the_objective_is_the_loss_and_the_weighted_one_of_the_head(write: Write) -> None:
    parts = parts_of(write)
    batch = first_batch(parts)
    (objective,) = parts.task.objectives
    value = objective.loss(objective.outputs(parts.model, batch), batch).over(objective.counts(batch))
    own, its = by_hand(parts, batch.inputs)
    one, other = (F.cross_entropy(outputs, batch.targets, label_smoothing=0.2) for outputs in (own, its))
    expected = one + 0.5 * other
    torch.testing.assert_close(value, expected)
    names = [name for name, _ in parts.model.named_parameters()]
    for mine, right in zip(
        torch.autograd.grad(value, list(parts.model.parameters())),
        torch.autograd.grad(expected, list(parts.model.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(mine, right)
    assert {"auxiliary.0.weight", "auxiliary.0.bias"} <= set(names)


def test_evaluation_is_of_the_network_alone_and_shows_the_head_s_loss_apart(write: Write) -> None:
    parts = parts_of(write)
    batch = first_batch(parts)
    outcome = parts.task.evaluate(parts.model.eval(), batch)
    own, its = by_hand(parts, batch.inputs)
    torch.testing.assert_close(outcome.predictions, own)
    assert outcome.loss is not None
    torch.testing.assert_close(outcome.loss.over(outcome.counts), F.cross_entropy(own, batch.targets))
    torch.testing.assert_close(outcome.apart.over(outcome.counts), F.cross_entropy(its, batch.targets))
    assert parts.task.untrained_loss() == pytest.approx(torch.tensor(10.0).log().item())


def test_a_run_logs_the_losses_of_the_heads(command: Command, write: Write) -> None:
    fitted = command("fit", write(DIGITS), "--json")
    assert fitted.status == 0, fitted.err
    run = Path(fitted.json["run"])
    name = "loss/body.layers.0/loss"
    for part in ("train", "dev"):
        values = [record[part][name] for record in records(run)]
        assert [value for _, value in scalars(run, part)[name]] == pytest.approx(values)
        assert summary_of(run)[part][name] == values[-1]
    evaluated = command("eval", run, "--json").json["metrics"]
    assert evaluated[name] == pytest.approx(fitted.json["best"]["metrics"][name], rel=1e-6)
    assert "model.auxiliary.0.weight" in last(run).tensors
    assert command("predict", run).status == 0


REGRESSION = """
data: {type: diabetes, batch_size: 30}
model: {type: mlp, hidden: [6, 5]}
task: {type: regression, auxiliary: [{layer: body.layers.0}, {layer: body.layers.1.linear, weight: 1}]}
trainer: {length: 4 steps}
"""
TAGGING = """
data: {type: reversal, batch_size: 20, examples: 100, length: 5}
model: {type: gru, hidden: 6, layers: 2, bidirectional: true}
task: {type: tagging, auxiliary: [{layer: body.layers.0}]}
trainer: {length: 4 steps}
"""


def test_values_are_learned_by_the_heads_too(write: Write) -> None:
    parts = parts_of(write, REGRESSION)
    batch = first_batch(parts)
    (objective,) = parts.task.objectives
    model: Any = parts.model
    first = model.body.layers[0](batch.inputs)
    second = model.body.layers[1].linear(first)
    targets = parts.data.targets
    assert isinstance(targets, Values)
    right = (batch.targets - torch.tensor(targets.mean)) / torch.tensor(targets.deviation)
    own = model(batch.inputs)
    expected = sum(
        weight * F.mse_loss(z, right)
        for weight, z in ((1, own), (0.3, model.auxiliary[0](first)), (1, model.auxiliary[1](second)))
    )
    value = objective.loss(objective.outputs(parts.model, batch), batch).over(objective.counts(batch))
    torch.testing.assert_close(value, expected)


def test_a_run_can_go_on_with_other_heads_in_the_next_stage(command: Command, write: Write) -> None:
    stages = "stages: [{}, {task: {auxiliary: [{layer: body.layers.1}]}}, {task: {auxiliary: []}}]\n"
    fitted = command("fit", write(DIGITS + stages), "--json")
    assert fitted.status == 0, fitted.err
    names = [[name for name in stage["dev"] if name.startswith("loss/")] for stage in fitted.json["stages"]]
    assert names == [["loss/body.layers.0/loss"], ["loss/body.layers.1/loss"], []]


def test_gauss_newton_knows_the_heads(command: Command, write: Write) -> None:
    path = write(DIGITS)
    fitted = command("fit", path, "optimizer={type: hessian_free, iterations: 5}", "--json")
    assert fitted.status == 0, fitted.err
    before = records(Path(fitted.json["run"]))
    assert before[-1]["train"]["loss/body.layers.0/loss"] < before[0]["train"]["loss/body.layers.0/loss"]


@pytest.mark.parametrize(
    ("text", "override", "message"),
    [
        (DIGITS, "task.auxiliary.0.layer=body.leyers.0",
         "task.auxiliary.0.layer: there is no layer 'body.leyers.0'; did you mean 'body.layers.0'?"),
        (DIGITS, "task.auxiliary=[{layer: body.layers.0}, {layer: head}, {layer: body.layers.0}]",
         "task.auxiliary.2.layer: 'body.layers.0' has an auxiliary head already"),
        (DIGITS, "task.auxiliary=[{layer: body.layers}, {layer: head, weight: 0}]",
         "task.auxiliary.1.weight: expected a number greater than 0, found 0"),
        (DIGITS, "task.auxiliary=[{weight: 1}]", "task.auxiliary.0: task.auxiliary.0 needs the setting 'layer'"),
        (DIGITS.replace("classification, label_smoothing: 0.2, ", "perceptron, "), "seed=1",
         "task.auxiliary: unknown setting of perceptron"),
        (REGRESSION.replace("diabetes", "karate_club").replace("regression", "classification")
         .replace("mlp, hidden: [6, 5]", "gnn").replace("body.layers.1.linear", "head"), "data.batch_size=all",
         "task.auxiliary: heads inside are there for vectors, images, videos, series and tokens, not for nodes of a"),
        (TAGGING.replace("bidirectional: true", "variational: {states: 0.3}"),
         "task.auxiliary.0.layer=body.layers.0.forwards",
         "task.auxiliary.0.layer: the network does not always run this layer as it stands"),
        (TAGGING, "task.auxiliary.0.layer=body.layers", "task.auxiliary.0.layer: this layer puts out no numbers"),
    ],
)  # fmt: skip
def test_where_a_head_cannot_stand_check_says_why(
    text: str, override: str, message: str, command: Command, write: Write
) -> None:
    refused = command("check", write(text), override)
    assert refused.status == 2, refused.out
    assert message in refused.err


def test_one_target_of_several_has_no_heads(command: Command, write: Write) -> None:
    targets = "{digit: {task: {type: classification, auxiliary: [{layer: body.layers.0}]}}}"
    refused = command("check", write(f"data: digit_facts\nmodel: mlp\ntask: {{type: multi_task, heads: {targets}}}\n"))
    assert refused.status == 2
    assert "auxiliary: only a task of one target has auxiliary heads" in refused.err


def test_a_layer_that_does_not_run_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    model.forward = lambda x: x[:, :2]  # type: ignore[method-assign]
    with pytest.raises(UnfitError, match="puts out no numbers") as error:
        AuxiliaryHeads(model, ["0"], Vector(4), Classes(("a", "b")))
    assert error.value.path == (0, "layer")


def test_without_heads_a_task_is_itself() -> None:
    assert type(made("task", {"type": "classification"}, Classes(("a", "b")))).__name__ == "Classification"
