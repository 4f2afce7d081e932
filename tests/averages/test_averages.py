"""Averages of weights: their formulas, torch's, and what a run evaluates and keeps."""

import json
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from nntrain.assemble import assemble
from nntrain.averages import Averaged, Share
from nntrain.averages.ema import ema
from nntrain.averages.swa import swa
from nntrain.batch_statistics import BatchStatistics
from nntrain.checkpoint import load
from nntrain.clock import Clock, Duration
from nntrain.config import load as load_config
from nntrain.device import Device
from nntrain.parts import Parts
from runs import at_step, best, bits, instant_disk, last, records, same_run, scalars, summary_of  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

CLOCK = Clock(20, steps_per_epoch=4)
IRIS = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: {type: sgd, lr: 0.1, momentum: 0.9}
trainer: {length: 12 steps, evaluate: 3 steps, save: 5 steps, average: AVERAGE}
"""
NORMALISED = IRIS.replace("dropout: 0.2", "dropout: 0.2, norm: batch")


def run_of(command: Command, config: Path, *overrides: str) -> Path:
    called = command("fit", config, *overrides, "--json")
    assert called.status == 0, called.err
    return Path(called.json["run"])


def parts_of(path: Path) -> Parts:
    document = load_config(path)
    document.data.setdefault("name", "my")
    return assemble(document)


def averaged(model: nn.Module, share: Callable[[Clock], Share], **settings: Any) -> Averaged:
    """The average of a model without batch statistics, which needs no data."""
    statistics = BatchStatistics(model, (), None, None, Device("cpu"), 0)  # type: ignore[arg-type]
    return Averaged(share, CLOCK, statistics, **settings)


def walk(model: nn.Module, *followers: Callable[[int], Any]) -> list[Tensor]:
    """Changes a model's weights at random for 20 steps; its first weight after each."""
    torch.manual_seed(1)
    weights = []
    for step in range(1, 21):
        for p in model.parameters():
            p.detach().add_(torch.randn_like(p))
        for follow in followers:
            follow(step)
        weights.append(next(model.parameters()).detach().clone())
    return weights


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def assert_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-12, atol=1e-12)


# --- Formulas.


def test_ema_is_that_of_torch_and_of_its_formula() -> None:
    model = network()
    torchs = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
    ours = averaged(model, partial(ema, decay=0.9, warmup=False))
    weights = walk(model, ours.follow, lambda step: torchs.update_parameters(model))
    assert_close(ours.means(), list(torchs.module.parameters()))
    by_hand = weights[0]
    for weight in weights[1:]:
        by_hand = 0.9 * by_hand + 0.1 * weight
    assert_close(ours.means()[:1], [by_hand])


def test_the_warm_up_forgets_the_first_weights_sooner() -> None:
    model = network()
    ours = averaged(model, partial(ema, decay=0.5))
    weights = walk(model, ours.follow)
    by_hand = weights[0]
    for step, weight in enumerate(weights[1:], start=2):
        decay = min(0.5, (1 + step) / (10 + step))
        by_hand = decay * by_hand + (1 - decay) * weight
    assert_close(ours.means()[:1], [by_hand])


@pytest.mark.parametrize(
    ("start", "every", "taken"),
    [
        (Duration(8, "steps"), Duration(3, "steps"), [8, 11, 14, 17, 20]),
        (Duration(40, "%"), Duration(1, "epochs"), [8, 12, 16, 20]),
        (Duration(1, "steps"), Duration(1, "steps"), list(range(1, 21))),
    ],
)
def test_swa_is_that_of_torch_and_a_plain_mean(start: Duration, every: Duration, taken: list[int]) -> None:
    model = network()
    torchs = AveragedModel(model)
    ours = averaged(model, partial(swa, start=start, every=every))
    weights = walk(model, ours.follow, lambda step: torchs.update_parameters(model) if step in taken else None)
    assert_close(ours.means(), list(torchs.module.parameters()))
    assert_close(ours.means()[:1], [torch.stack([weights[step - 1] for step in taken]).mean(dim=0)])


def test_before_its_start_swa_is_the_weights_themselves() -> None:
    model = network()
    ours = averaged(model, partial(swa, start=Duration(15, "steps"), every=Duration(1, "steps")))
    seen = []

    def look(step: int) -> None:
        ours.follow(step)
        with ours.in_place():
            seen.append(next(model.parameters()).detach().clone())

    weights = walk(model, look)
    assert_close(seen[:15], weights[:15])
    assert_close(seen[15:], [torch.stack(weights[14:step]).mean(dim=0) for step in range(16, 21)])


def test_only_the_parameters_that_match_are_averaged() -> None:
    model = network()
    ours = averaged(model, partial(ema, decay=0.9), match="^2")
    walk(model, ours.follow)
    plain = [p.detach().clone() for p in model.parameters()]
    with ours.in_place():
        same = [torch.equal(p, q) for p, q in zip(model.parameters(), plain, strict=True)]
    assert same == [True, True, False, False]
    assert_close(list(model.parameters()), plain)


def test_a_parameter_that_two_layers_share_is_averaged_once() -> None:
    model = network()
    model.append(nn.Linear(4, 2).double())
    model[3].weight = model[2].weight
    ours = averaged(model, partial(ema, decay=0.9))
    walk(model, ours.follow)
    assert len(ours.means()) == 5
    state = ours.state()
    assert state.keys() == model.state_dict().keys()
    assert torch.equal(state["2.weight"], state["3.weight"])


# --- Runs.

AVERAGES = {
    "ema": "{type: ema, decay: 0.7}",
    "swa": "{type: swa, start: 6 steps, every: 2 steps}",
}


@pytest.mark.parametrize("average", AVERAGES)
def test_the_average_is_evaluated_kept_and_used(average: str, command: Command, write: Write) -> None:
    """Against the weights after each step of runs without it, which train on the same as those with it."""
    config = write(IRIS.replace("AVERAGE", AVERAGES[average]))
    run = run_of(command, config)
    weights = [
        last(run_of(command, config, "trainer.average=null", f"trainer.length={step} steps")).part("model")
        for step in range(1, 13)
    ]
    assert bits(last(run), "model") == bits(last(run_of(command, config, "trainer.average=null")), "model")
    taken = [weights[step - 1] for step in (6, 8, 10, 12)]
    expected = {name: torch.stack([w[name] for w in taken]).mean(dim=0) for name in weights[0]}
    if average == "ema":
        expected = weights[0]
        for step, after in enumerate(weights[1:], start=2):
            decay = min(0.7, (1 + step) / (10 + step))
            expected = {name: decay * mean + (1 - decay) * after[name] for name, mean in expected.items()}
    for name, mean in last(run).part("average").items():
        torch.testing.assert_close(mean, expected[name], rtol=1e-5, atol=1e-7)

    parts, dev = parts_of(config), records(run)[-1]["dev"]
    parts.model.load_state_dict(expected)
    split = parts.data.split("dev")
    with torch.no_grad():
        logits = parts.model.eval()(split.inputs)
    assert dev["loss"] == pytest.approx(nn.functional.cross_entropy(logits, split.targets).item(), rel=1e-5)
    measured = command("eval", run / "checkpoints" / "last.safetensors", "--json").json["metrics"]
    assert measured == dev
    first = json.loads(command("predict", run / "checkpoints" / "last.safetensors").out.splitlines()[0])
    assert first["probability"] == pytest.approx(logits[0].softmax(dim=0).max().item(), rel=1e-5)


@pytest.mark.parametrize("model", ["{type: mlp, hidden: [8], dropout: 0.2}", "{type: mlp, hidden: [8], norm: batch}"])
def test_the_best_model_is_the_average(model: str, command: Command, write: Write) -> None:
    text = IRIS.replace("AVERAGE", "{type: ema, decay: 0.8}")
    config = write(text.replace("{type: mlp, hidden: [8], dropout: 0.2}", model))
    run = run_of(command, config, "trainer.monitor=dev/loss")
    summary = summary_of(run)
    shorter = run_of(command, config, f"trainer.length={summary['best']['step']} steps", "trainer.monitor=dev/loss")
    assert bits(best(run), "model") == bits(best(shorter), "model")
    assert best(run).part("model").keys() == last(run).part("model").keys()
    for name, tensor in last(shorter).model.items():
        assert torch.equal(tensor, best(run).part("model")[name])
    assert command("eval", run, "--json").json["metrics"] == summary["best"]["metrics"]


TASKS = {
    "regression": "data: {type: diabetes, batch_size: 64}\nmodel: {type: mlp, hidden: [5], norm: batch}",
    "tagging": "data: {type: copy, batch_size: 64}\nmodel: {type: lstm, hidden: 4}",
    "language model, tied": (
        "data: {type: standard_library, size: 4000, block: 16}\n"
        "model: {type: transformer, form: decoder, width: 8, heads: 2, layers: 1}"
    ),
    "autoencoder, tied": (
        "data: {type: digits, batch_size: 300}\ntask: autoencoding\n"
        "model: {type: autoencoder, code: 4, tied: true, layers: {type: dense, hidden: [8]}}"
    ),
    "graphs": "data: karate_club\nmodel: {type: gnn, norm: batch}",
    "weight normalisation": "data: {type: iris}\nmodel: {type: mlp, hidden: [8], norm: weight}",
    "rbm with chains": (
        "data: {type: bars_and_stripes, batch_size: 5}\ntask: rbm\nmodel: {type: rbm, hidden: 4, chains: 6}"
    ),
}


@pytest.mark.parametrize("text", TASKS.values(), ids=TASKS)
def test_every_task_can_be_trained_with_an_average(text: str, command: Command, write: Write) -> None:
    config = write(f"{text}\ntrainer: {{length: 5 steps, evaluate: 5 steps, average: {{type: ema, decay: 0.9}}}}\n")
    run, plain = run_of(command, config), run_of(command, config, "trainer.average=null")
    assert bits(last(run), "model", "optimizer") == bits(last(plain), "model", "optimizer")
    measured = command("eval", run / "checkpoints" / "last.safetensors", "--json").json["metrics"]
    assert measured == pytest.approx(records(run)[-1]["dev"], rel=1e-6)
    assert measured != pytest.approx(records(plain)[-1]["dev"], rel=1e-6)


GAN = """
data: {type: digits, batch_size: 64, standardize: false}
model: {type: gan, noise: 2, networks: {type: dcgan, channels: [4, 8]}}
task: {type: gan, discriminator_every: 2}
trainer: {length: 4 steps, evaluate: 2 steps, average: {type: ema, decay: 0.9, match: ^generator}}
"""


def test_the_generator_alone_may_be_averaged(command: Command, write: Write) -> None:
    config = write(GAN)
    run, plain = run_of(command, config), run_of(command, config, "trainer.average=null")
    assert bits(last(run), "model", "optimizer") == bits(last(plain), "model", "optimizer")
    parameters = {name for name, _ in parts_of(config).model.named_parameters()}
    averaged_ones = parameters & last(run).part("average").keys()
    assert averaged_ones == {name for name in parameters if name.startswith("generator.")}
    assert command("eval", run, "--json").status == 0


def test_a_run_may_get_an_average_later(command: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it starts from the weights as they are."""
    config = write(IRIS.replace("AVERAGE", "null"))
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: signal.raise_signal(signal.SIGINT))
        run = Path(command("fit", config, "--json").json["run"])
    assert summary_of(run)["steps"] == 6
    swa_late = "trainer.average={type: swa, start: 8 steps, every: 2 steps}"
    assert command("fit", "--resume", run, swa_late).status == 0
    whole = run_of(command, config, swa_late)
    assert bits(last(whole), "model", "average") == bits(last(run), "model", "average")


# --- Batch statistics.


def test_batch_statistics_are_those_of_torchs_update_bn(write: Write) -> None:
    parts = parts_of(write(NORMALISED.replace("AVERAGE", "null").replace("0.2", "0.0")))
    stream = parts.data.train.stream(parts.order.updates(0))
    batches = [batch for _ in range(3) for batch in next(stream)]
    torchs = AveragedModel(parts.model)
    torch.optim.swa_utils.update_bn([batch.inputs for batch in batches], torchs)
    statistics = BatchStatistics(parts.model, parts.task.objectives, parts.data.train, parts.order, parts.device, 0)
    statistics.estimate(3)
    expected = torchs.module.state_dict()
    assert len(statistics.buffers()) == 3
    for name, buffer in statistics.buffers().items():
        torch.testing.assert_close(buffer, expected[name], rtol=1e-6, atol=1e-7)
    assert not torch.equal(expected["body.layers.0.norm.running_mean"], torch.zeros(8))


def test_estimating_changes_nothing_else(write: Write) -> None:
    parts = parts_of(write(NORMALISED.replace("AVERAGE", "null")))
    statistics = BatchStatistics(parts.model, parts.task.objectives, parts.data.train, parts.order, parts.device, 0)
    parts.model.register_buffer("passes", torch.zeros(()))
    parts.model.register_forward_hook(lambda model, inputs, output: output + model.passes.add_(1))
    before, noise = [p.detach().clone() for p in parts.model.parameters()], torch.get_rng_state()
    parts.model.eval()
    parts.model.body.layers[0].norm.momentum = 0.3
    statistics.estimate(2)
    assert torch.equal(torch.get_rng_state(), noise)
    assert float(parts.model.passes) == 0
    assert not any(module.training for module in parts.model.modules())
    assert parts.model.body.layers[0].norm.momentum == 0.3
    assert_close(before, list(parts.model.parameters()))


def test_a_penalty_on_activity_counts_the_outputs_of_training_only(command: Command, write: Write) -> None:
    penalty = "regularizers: [{type: activity, layer: body.layers.0.norm, weight: 0.1}]"
    config = write(NORMALISED.replace("AVERAGE", "ema") + penalty)
    run, plain = run_of(command, config), run_of(command, config, "trainer.average=null")
    assert scalars(run, "train")["objective"] == scalars(plain, "train")["objective"]


def test_frozen_layers_keep_their_statistics(command: Command, write: Write) -> None:
    text = NORMALISED.replace("AVERAGE", "{type: ema, decay: 0.8}").replace("[8]", "[8, 6]")
    config = write(text.replace("momentum: 0.9", "momentum: 0.9, groups: [{match: layers.0.norm, frozen: true}]"))
    run, plain = run_of(command, config), run_of(command, config, "trainer.average=null")
    assert bits(last(run), "model", "optimizer") == bits(last(plain), "model", "optimizer")
    estimated = {name for name in last(run).part("average") if "running" in name}
    assert estimated == {f"body.layers.1.norm.running_{name}" for name in ("mean", "var")}


@pytest.mark.parametrize("recalibrate", ["auto", "true", "2", "false"])
def test_recalibration_changes_what_is_evaluated_and_not_what_is_trained(
    recalibrate: str, command: Command, write: Write
) -> None:
    config = write(NORMALISED.replace("AVERAGE", "{type: ema, decay: 0.8}"))
    plain = run_of(command, config, "trainer.average=null")
    run = run_of(command, config, f"trainer.average.recalibrate={recalibrate}")
    assert bits(last(run), "model", "optimizer") == bits(last(plain), "model", "optimizer")
    statistics = {name for name in last(run).part("average") if name.startswith("body.layers.0.norm.running")}
    assert len(statistics) == (0 if recalibrate == "false" else 2)
    counted = {"auto": 7, "true": 7, "2": 2}  # of the 106 training examples, all are fewer than 10,000
    if recalibrate != "false":
        assert int(last(run).part("average")["body.layers.0.norm.num_batches_tracked"]) == counted[recalibrate]
    measured = command("eval", run / "checkpoints" / "last.safetensors", "--json").json["metrics"]
    assert measured == records(run)[-1]["dev"]


# --- Resuming.


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
@pytest.mark.parametrize("text", [IRIS, NORMALISED, GAN], ids=["dropout", "batch normalisation", "gan"])
def test_a_stopped_run_ends_like_a_whole_one(
    text: str, average: str, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = ["trainer.length=12 steps", "trainer.evaluate=3 steps", f"trainer.average={average}"]
    config = write(text.replace("AVERAGE", "null"))
    whole = run_of(command, config, *length)
    for step in (1, 7, 9):
        with monkeypatch.context() as patch:
            at_step(patch, step, lambda: signal.raise_signal(signal.SIGINT))
            run = Path(command("fit", config, *length, "--json").json["run"])
        assert "average" in {name.split(".")[0] for name in last(run).tensors}
        assert command("fit", "--resume", run).status == 0
        same_run(whole, run)


STAGES = (
    NORMALISED.replace("AVERAGE", "null")
    + """
stages:
  - {trainer: {average: {type: swa, start: 4 steps, every: 2 steps}}}
  - {optimizer: {lr: 1.0e-30}, trainer: {length: 3 steps, average: null}}
"""
)


def test_the_next_stage_starts_from_the_average(command: Command, write: Write) -> None:
    text = NORMALISED.replace("AVERAGE", "{type: swa, start: 4 steps, every: 2 steps}")
    first = run_of(command, write(text, "first.yaml"))
    both = run_of(command, write(STAGES))
    for name in dict(parts_of(write(text)).model.named_parameters()):
        torch.testing.assert_close(last(both).part("model")[name], last(first).part("average")[name])
    assert last(both).part("average") == {}


@pytest.mark.parametrize("step", [2, 9, 11, 12])
def test_a_run_with_stages_that_was_stopped_ends_like_a_whole_one(
    step: int, command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(STAGES)
    whole = run_of(command, config)
    with monkeypatch.context() as patch:
        at_step(patch, step, lambda: signal.raise_signal(signal.SIGINT))
        run = Path(command("fit", config, "--json").json["run"])
    assert command("fit", "--resume", run).status == 0
    same_run(whole, run)


# --- What does not fit.


@pytest.mark.parametrize(
    ("average", "message"),
    [
        ("{type: ema, recalibrate: true}", "trainer.average.recalibrate: the model has no batch statistics"),
        ("{type: ema, recalibrate: false}", "trainer.average.recalibrate: the model has no batch statistics"),
        ("{type: ema, recalibrate: 0}", "trainer.average.recalibrate: expected a whole number at least 1"),
        ("{type: ema, decay: 1}", "trainer.average.decay: expected a number greater than 0 and less than 1, found 1"),
        ("{type: ema, match: nothing}", "trainer.average.match: 'nothing' matches no parameter"),
        ("{type: swa, start: 100%}", "trainer.average.start: the run of 12 steps ends before a second set"),
        ("{type: swa, start: 11 steps}", "after step 18; start earlier, or take them more often"),
        ("emma", "unknown average 'emma'; did you mean 'ema'?"),
        ("true", "trainer.average: expected the name of an average, found true"),
    ],
)
def test_what_is_wrong_is_said(average: str, message: str, command: Command, write: Write) -> None:
    refused = command("fit", write(IRIS.replace("AVERAGE", average)))
    assert refused.status == 2
    assert message in refused.err


def test_the_checkpoint_says_which_model_is_the_trained_one(command: Command, write: Write) -> None:
    run = run_of(command, write(IRIS.replace("AVERAGE", "ema")))
    stored = load(run / "checkpoints" / "last.safetensors")
    assert all(torch.equal(stored.model[name], tensor) for name, tensor in stored.part("average").items())
    assert stored.model.keys() == stored.part("model").keys()
    assert load(run / "checkpoints" / "best.safetensors").part("average") == {}
