"""Several trained models as one: predictions taken together, weights averaged."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from nntrain.ensemble import majority, mean_probabilities
from nntrain.measure import trained
from nntrain.parts import Trained
from runs import at_step, instant_disk, last  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

IRIS = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8]}
trainer: {length: 20 steps, evaluate: 10 steps}
"""
NORMALISED = IRIS.replace("[8]", "[8], norm: batch")
WAYS = (("--ensemble", "average"), ("--ensemble", "vote"), ("--average", "weights"))


def runs_of(command: Command, config: Path, *overrides: str, seeds: int = 3) -> list[Path]:
    """Runs with different weights."""
    called = [command("fit", config, f"seed={seed}", *overrides, "--json") for seed in range(seeds)]
    assert all(one.status == 0 for one in called), called[0].err
    return [Path(one.json["run"]) for one in called]


def of_run(run: Path) -> Trained:
    return trained(run, [], False, print)[1]


def outputs_of(runs: list[Path], split: str = "dev") -> tuple[Tensor, Tensor]:
    """What each run's best model puts out (models, examples, ...), and the targets."""
    parts = [of_run(run) for run in runs]
    examples = parts[0].data.split(split)
    with torch.no_grad():
        outputs = torch.stack([part.model.eval()(examples.inputs) for part in parts])
    return outputs, examples.targets


# --- Formulas.


def test_a_vote_is_the_majority_and_ties_go_to_the_more_probable() -> None:
    torch.manual_seed(0)
    outputs = 3 * torch.randn(4, 500, 5, dtype=torch.float64)
    together = majority(outputs)
    torch.testing.assert_close(together.exp().sum(dim=-1), torch.ones(500, dtype=torch.float64))
    ties = 0
    for i, chosen in enumerate(together.argmax(dim=-1).tolist()):
        votes = torch.bincount(outputs[:, i].argmax(dim=-1), minlength=5)
        best = [c for c in range(5) if votes[c] == votes.max()]
        ties += len(best) > 1
        mean = outputs[:, i].softmax(dim=-1).mean(dim=0)
        assert chosen == max(best, key=lambda c: float(mean[c]))
    assert ties > 20


def test_mean_probabilities_are_those_of_the_models() -> None:
    outputs = torch.randn(3, 7, 4, dtype=torch.float64)
    torch.testing.assert_close(mean_probabilities(outputs).softmax(dim=-1), outputs.softmax(dim=-1).mean(dim=0))
    torch.testing.assert_close(mean_probabilities(outputs[:1]), outputs[0].log_softmax(dim=-1))


# --- Measured.


def test_an_ensemble_of_classifiers_is_measured_beside_its_members(command: Command, write: Write) -> None:
    runs = runs_of(command, write(IRIS))
    outputs, targets = outputs_of(runs, "test")
    found = command("eval", *runs, "--ensemble", "average", "--split", "test", "--json").json
    mean = outputs.softmax(dim=-1).mean(dim=0)
    assert found["metrics"]["loss"] == pytest.approx(F.nll_loss(mean.log(), targets).item(), rel=1e-5)
    assert found["metrics"]["error_rate"] == pytest.approx(float((mean.argmax(dim=1) != targets).float().mean()))
    assert (found["ensemble"], found["split"], found["examples"]) == ("average", "test", len(targets))
    assert found["checkpoint"] == [str(run / "checkpoints" / "best.safetensors") for run in runs]
    alone = [command("eval", run, "--split", "test", "--json").json for run in runs]
    assert found["members"] == [{"checkpoint": one["checkpoint"], "metrics": one["metrics"]} for one in alone]

    voted = command("eval", *runs, "--ensemble", "vote", "--split", "test", "--json").json
    counts = F.one_hot(outputs.argmax(dim=-1), 3).sum(dim=0) + outputs.softmax(dim=-1).mean(dim=0)
    wrong = float((counts.argmax(dim=1) != targets).float().mean())
    assert voted["metrics"] == {"error_rate": pytest.approx(wrong), "accuracy": pytest.approx(1 - wrong)}
    assert len(alone[0]["metrics"]) == 3


def test_values_are_averaged_and_not_voted_on(command: Command, write: Write) -> None:
    runs = runs_of(command, write(IRIS.replace("iris", "diabetes")))
    task = of_run(runs[0]).task
    outputs, targets = outputs_of(runs)
    found = command("eval", *runs, "--ensemble", "average", "--json").json["metrics"]
    predictions = outputs.mean(dim=0) * task.targets.deviation[0] + task.targets.mean[0]
    assert found["rmse"] == pytest.approx(F.mse_loss(predictions, targets).sqrt().item(), rel=1e-5)
    refused = command("eval", *runs, "--ensemble", "vote")
    assert refused.status == 2
    assert "models vote on classes, and not on one value; take --ensemble average" in refused.err


def test_scores_that_are_no_probabilities_are_averaged_themselves(command: Command, write: Write) -> None:
    runs = runs_of(command, write(f"{IRIS}task: {{loss: hinge}}\n"))
    outputs, targets = outputs_of(runs)
    scores = outputs.mean(dim=0)
    others = scores.masked_fill(F.one_hot(targets, 3).bool(), -torch.inf).amax(dim=1)
    hinge = (1 + others - scores.gather(1, targets[:, None]).squeeze(1)).relu().mean()
    found = command("eval", *runs, "--ensemble", "average", "--json").json["metrics"]
    assert found["loss"] == pytest.approx(hinge.item(), rel=1e-5)


SEQUENCES = {
    "tagging": "data: {type: copy, batch_size: 64}\nmodel: {type: lstm, hidden: 4}\n",
    "language model": (
        "data: {type: standard_library, size: 4000, block: 16}\n"
        "model: {type: transformer, form: decoder, width: 8, heads: 2, layers: 1}\n"
    ),
}


@pytest.mark.parametrize("text", SEQUENCES.values(), ids=SEQUENCES)
def test_labels_of_positions_are_averaged_and_voted_on(text: str, command: Command, write: Write) -> None:
    runs = runs_of(command, write(f"{text}trainer: {{length: 20 steps}}"), seeds=2)
    found = {way: command("eval", *runs, "--ensemble", way, "--json").json for way in ("average", "vote")}
    losses = [member["metrics"]["loss"] for member in found["average"]["members"]]
    assert found["average"]["metrics"]["loss"] < sum(losses) / 2  # -log is convex
    assert 0 < found["vote"]["metrics"]["error_rate"] < 1


def test_one_model_twice_is_that_model(command: Command, write: Write) -> None:
    (run,) = runs_of(command, write(IRIS), seeds=1)
    alone = command("eval", run, "--json").json["metrics"]
    for way in WAYS:
        found = command("eval", run, run, *way, "--json").json["metrics"]
        assert found == pytest.approx({name: alone[name] for name in found}, rel=1e-5)


# --- Weights.


def test_the_mean_of_weights_is_one_network(command: Command, write: Write) -> None:
    config = write(IRIS)
    files = [*runs_of(command, config, seeds=1), *runs_of(command, config, "optimizer.lr=0.01", seeds=1)]
    parts = of_run(files[0])
    states = [of_run(file).model.state_dict() for file in files]
    parts.model.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    dev = parts.data.split("dev")
    with torch.no_grad():
        expected = F.cross_entropy(parts.model.eval()(dev.inputs), dev.targets).item()
    found = command("eval", *files, "--average", "weights", "--json").json
    assert found["metrics"]["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["average"] == "weights"
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])


def test_batch_statistics_of_mean_weights_are_estimated_anew(command: Command, write: Write) -> None:
    config = write(NORMALISED.replace("batch_size: 16", "batch_size: all"))
    runs = runs_of(command, config, seeds=2)
    parts = of_run(runs[0])
    states = [of_run(run).model.state_dict() for run in runs]
    parts.model.load_state_dict({name: (a + states[1][name]) / 2 for name, a in states[0].items()})
    train, dev = parts.data.split("train"), parts.data.split("dev")
    update_bn([train.inputs], parts.model)
    with torch.no_grad():
        expected = F.cross_entropy(parts.model.eval()(dev.inputs), dev.targets).item()
    found = command("eval", *runs, "--average", "weights", "--json").json
    assert found["metrics"]["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("model.hidden=[9]", "model.hidden: [8] -> [9]"),
        ("model.activation=tanh", "model.activation: relu -> tanh"),
        ("model=linear", "model.type: mlp -> linear"),
    ],
)
def test_weights_of_other_networks_have_no_mean(change: str, difference: str, command: Command, write: Write) -> None:
    config = write(IRIS)
    runs = [*runs_of(command, config, seeds=1), *runs_of(command, config, change, seeds=1)]
    refused = command("eval", *runs, "--average", "weights")
    assert refused.status == 2
    assert f"differ in {difference}; only weights of one architecture have a mean" in refused.err
    assert command("eval", *runs, "--ensemble", "average").status == 0


def test_generators_have_mean_weights_but_no_mean_prediction(command: Command, write: Write) -> None:
    config = write(
        "data: {type: ring, examples: 200}\ntask: gan\ntrainer: {length: 3 steps}\n"
        "model: {type: gan, noise: 2, networks: {type: dense, hidden: [4]}}\n"
    )
    runs = runs_of(command, config, seeds=2)
    assert command("eval", *runs, "--average", "weights").status == 0
    refused = command("eval", *runs, "--ensemble", "average")
    assert refused.status == 2
    assert "only labels and values have a mean prediction, not samples of vectors" in refused.err


# --- Which models.


def test_a_study_stands_for_its_runs(command: Command, write: Write, tmp_path: Path) -> None:
    summary = command("fit", write(IRIS), "--seeds", 3, "--json").json
    folder = Path(summary["run"]).rename(tmp_path / "moved")
    found = command("eval", folder, "--ensemble", "average", "--json").json
    assert found["checkpoint"] == [str(folder / f"seed-{s}" / "checkpoints" / "best.safetensors") for s in range(3)]
    each = command("eval", *(folder / f"seed-{s}" for s in range(3)), "--ensemble", "average", "--json").json
    assert each == found
    shown = command("eval", folder, "--ensemble", "vote").out
    assert "vote" in shown
    assert all(f"seed-{s} " in shown for s in range(3))
    rows = [json.loads(line) for line in command("predict", folder, "--ensemble", "average").out.splitlines()]
    outputs, targets = outputs_of([folder / f"seed-{s}" for s in range(3)])
    probable = outputs.softmax(dim=-1).mean(dim=0).amax(dim=-1)
    assert [row["probability"] for row in rows] == pytest.approx(probable.tolist(), rel=1e-4)
    assert len(rows) == len(targets)


def test_a_run_of_a_study_that_did_not_end_is_left_out(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(IRIS)
    summary = command("fit", config, "--seeds", 3, "--json").json
    path = Path(summary["runs"][1]) / "summary.json"
    path.write_text(path.read_text().replace('"finished"', '"diverged"'))
    found = command("eval", summary["run"], "--ensemble", "average", "--json")
    assert f"{summary['runs'][1]} is left out: diverged" in found.err
    assert len(found.json["checkpoint"]) == 2
    at_step(monkeypatch, 3, lambda: signal.raise_signal(signal.SIGINT))
    stopped = command("fit", config, "--seeds", 3, "--json").json
    refused = command("eval", stopped["run"], "--ensemble", "average")
    assert refused.status == 2
    assert "is left out: interrupted" in refused.err


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("data.split.seed=1", "data.split.seed: 0 -> 1"),
        ("data=wine", "data.type: iris -> wine"),
        ("data.standardize=false", "data.standardize: True -> False"),
        ("task={loss: hinge}", "task.loss.type: cross_entropy -> hinge"),
        ("trainer.precision=fp64", "trainer.precision: fp32 -> fp64"),
    ],
)
def test_models_of_other_data_are_refused(change: str, difference: str, command: Command, write: Write) -> None:
    config = write(IRIS)
    runs = [*runs_of(command, config, seeds=1), *runs_of(command, config, change, seeds=1)]
    for way in WAYS:
        refused = command("eval", *runs, *way)
        assert refused.status == 2
        assert f"differ in {difference}; models together must be of the same data and task" in refused.err


def test_what_only_training_sees_may_differ(command: Command, write: Write) -> None:
    config = write(IRIS)
    runs = [*runs_of(command, config, seeds=1), *runs_of(command, config, "data.batch_size=50", seeds=1)]
    for way in WAYS:
        assert command("eval", *runs, *way).status == 0


def test_how_many_models_there_are_must_fit_what_is_asked(command: Command, write: Write) -> None:
    runs = runs_of(command, write(IRIS), seeds=2)
    for arguments, message in (
        (runs, "2 models are used as one with --ensemble average or vote, or --average weights"),
        ([runs[0], "--ensemble", "vote"], "models together are two checkpoints or runs, or more"),
        ([*runs, "--ensemble", "vote", "--average", "weights"], "take one of them"),
        ([*runs, "--average", "predictions"], "'predictions' is not"),
        ([runs[0], "nothing", "--ensemble", "vote"], "there is no checkpoint nothing"),
        (["data.batch_size=3"], "eval needs a checkpoint, or a run's folder"),
    ):
        refused = command("eval", *arguments)
        assert refused.status == 2
        assert message in refused.err


def test_settings_are_changed_for_all(command: Command, write: Write) -> None:
    runs = runs_of(command, write(IRIS), seeds=2)
    more = command("eval", *runs, "metrics=[rmse]", "--ensemble", "average")
    assert more.status == 2
    found = command("eval", runs[0], "data.split.dev=0.3", runs[1], "--ensemble", "average", "--json")
    assert found.json["examples"] == 45


def test_a_single_model_is_measured_as_before(command: Command, write: Write) -> None:
    (run,) = runs_of(command, write(IRIS), seeds=1)
    found = command("eval", run / "checkpoints" / "last.safetensors", "--json").json
    assert list(found) == ["checkpoint", "split", "examples", "metrics"]
    assert isinstance(found["checkpoint"], str)
    assert isinstance(of_run(run).model, nn.Module)
    assert last(run).facts["position"]["step"] == 20
