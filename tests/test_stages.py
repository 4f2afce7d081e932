"""Trainings in several stages: what each is, what passes from one to the next, and what a run of them leaves."""

import signal
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.config import dump, load
from nntrain.data.order import Order
from nntrain.document import Document
from nntrain.fit import fit
from nntrain.plan import Plan, plan
from nntrain.request import Request
from nntrain.samplers import TrainingSet
from nntrain.samplers.shuffled import Shuffled
from nntrain.stages import joined, stages_of
from nntrain.trainer import Trainer
from runs import (  # noqa: F401
    at_step,
    best,
    bits,
    contents,
    instant_disk,
    last,
    only_run,
    records,
    scalars,
    summary_of,
)

Command = Callable[..., Any]
Write = Callable[..., Path]

GROWING = """
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9}
scheduler: linear
trainer: {length: 10 steps, evaluate: 5 steps, save: 3 steps, log: 2 steps}
stages:
  - {}
  - {model: {hidden: [8, 8]}, optimizer: {type: adam, lr: 0.01}}
  - {trainer: {length: 7 steps}, data: {batch_size: 20}}
"""


@pytest.fixture
def run(command: Command, write: Write) -> Path:
    called = command("fit", write(GROWING), "--json")
    assert called.status == 0, called.err
    return Path(called.json["run"])


def planned(path: Path, *overrides: str) -> Plan:
    return plan(load(path, ["name=my", *overrides]))


# --- What a stage is.


def whole(text: str, write: Write) -> list[dict[str, Any]]:
    return [stage.data for stage in stages_of(load(write(text)))]


def test_a_stage_changes_the_one_before_it_key_by_key(write: Write) -> None:
    first, second, third = whole(
        """
model: {type: mlp, hidden: [8], dropout: 0.2}
optimizer: sgd
metrics: [accuracy]
stages:
  - {optimizer: {lr: 0.1}}
  - {model: {hidden: [8, 8]}, optimizer: {lr: 0.2}}
  - {model: {type: cnn}, metrics: []}
""",
        write,
    )
    assert first["optimizer"] == {"type": "sgd", "lr": 0.1}
    assert first["model"] == {"type": "mlp", "hidden": [8], "dropout": 0.2}
    assert second["model"] == {"type": "mlp", "hidden": [8, 8], "dropout": 0.2}
    assert second["optimizer"] == third["optimizer"] == {"type": "sgd", "lr": 0.2}
    assert third["model"] == {"type": "cnn"}
    assert (second["metrics"], third["metrics"]) == (["accuracy"], [])


def test_several_optimizers_by_name_take_the_place_of_one_and_it_theirs(write: Write) -> None:
    first, second, third, fourth = whole(
        """
optimizer: {type: sgd, lr: 0.1}
stages:
  - {}
  - {optimizer: {generator: {type: adam, lr: 0.2}, discriminator: sgd}}
  - {optimizer: {generator: {lr: 0.3}}}
  - {optimizer: {type: adam}}
""",
        write,
    )
    assert first["optimizer"] == {"type": "sgd", "lr": 0.1}
    assert second["optimizer"] == {"generator": {"type": "adam", "lr": 0.2}, "discriminator": "sgd"}
    assert third["optimizer"] == {"generator": {"type": "adam", "lr": 0.3}, "discriminator": "sgd"}
    assert fourth["optimizer"] == {"type": "adam"}


def test_without_stages_a_config_is_its_only_one(write: Write) -> None:
    assert whole("model: mlp\n", write) == [{"model": "mlp"}]
    assert whole("model: mlp\nstages: []\n", write) == [{"model": "mlp", "stages": []}]


def test_the_config_of_a_run_says_what_changes_and_means_the_same_stages(write: Write) -> None:
    document = load(write(GROWING), ["name=my"])
    plain = plan(document).plain
    assert plain["stages"][0] == {}
    assert plain["stages"][2] == {"data": {"batch_size": 20}, "trainer": {"length": "7 steps"}}
    again = load(write(dump(plain), "again.yaml"))
    assert plan(again).plain == plain
    assert joined([stage.data for stage in stages_of(again)]) == plain


def test_a_run_of_a_run_s_config_is_the_same(run: Path, command: Command) -> None:
    again = Path(command("fit", run / "config.yaml", "--json").json["run"])
    assert (again / "config.yaml").read_bytes() == (run / "config.yaml").read_bytes()
    assert bits(last(again)) == bits(last(run))


# --- What passes from one stage to the next.


def test_weights_of_the_same_name_and_shape_pass_on_and_others_start_anew(write: Write) -> None:
    stages = planned(write(GROWING))
    before = {name: torch.full_like(t, 3.0) for name, t in stages.parts(0).model.state_dict().items()}
    passed, fresh = (stages.parts(1, weights).model.state_dict() for weights in (before, None))
    kept = {name for name, tensor in passed.items() if torch.equal(tensor, torch.full_like(tensor, 3.0))}
    assert kept == set(before) == {
        "body.layers.0.linear.weight", "body.layers.0.linear.bias", "head.weight", "head.bias"
    }  # fmt: skip
    assert all(torch.equal(passed[name], fresh[name]) for name in passed if name not in kept)


def test_a_stage_begins_where_the_one_before_it_ended(command: Command, write: Write) -> None:
    text = GROWING.replace("{model: {hidden: [8, 8]}, optimizer: {type: adam, lr: 0.01}}", "{}")
    ended = Path(command("fit", write(text), "stages=[{}]", "--json").json["run"])
    still = Path(command("fit", write(text), "stages.1.optimizer.lr=1e-30", "--json").json["run"])
    assert bits(last(still), "model") == bits(last(ended), "model")


def test_optimizer_and_schedule_begin_anew(run: Path) -> None:
    counters = {float(t) for name, t in last(run).tensors.items() if name.startswith("optimizer.model.steps.")}
    assert counters == {7.0}
    rates = dict(scalars(run, "train")["lr"])
    assert rates[2] == pytest.approx(0.05 * 0.9)
    assert [rates[step] for step in (10, 12, 22)] == pytest.approx([0.05 * 0.1, 0.01 * 0.9, 0.01 * 6 / 7])


def test_each_stage_has_an_order_of_its_own() -> None:
    orders = [Order(50, 10, 1, 3, Shuffled(TrainingSet(50, 10)), stage) for stage in (0, 1)]
    first, second = (torch.cat(next(order.updates(0))).tolist() for order in orders)
    assert first != second
    assert first == torch.cat(next(Order(50, 10, 1, 3, Shuffled(TrainingSet(50, 10))).updates(0))).tolist()


NOISE = '''
import torch
from torch import nn

from nntrain.registry import model
from nntrain.specs import Vector


@model("noise")
class Noise(nn.Module):
    """Notes what it draws."""

    def __init__(self, inputs: Vector) -> None:
        super().__init__()
        self.features = inputs.features
        self.register_buffer("drawn", torch.zeros(3))

    def forward(self, x):
        if self.training:
            self.drawn = torch.rand(3)
        return x
'''


def test_each_stage_draws_noise_of_its_own(command: Command, write: Write) -> None:
    path = write("plugins: [noise.py]\ndata: iris\nmodel: noise\ntrainer: {length: 2 steps}\nstages: [{}, {}]\n")
    write(NOISE, "noise.py")
    runs = [command("fit", path, f"stages={stages}", "--json") for stages in ("[{}]", "[{}, {}]")]
    one, two = (last(Path(called.json["run"])).tensors["model.body.drawn"].tolist() for called in runs)
    assert one != two


def test_a_stage_that_can_take_nothing_over_is_refused(command: Command, write: Write, tmp_path: Path) -> None:
    stages = "[{task: autoencoding, model: autoencoder}, {task: classification, model: {type: mlp}}]"
    path = write(f"data: digits\nstages: {stages}\n")
    refused = command("fit", path)
    assert refused.status == 2
    assert ":2:82: stages.1.model: the stage before: nothing of it fits: body.layers.0" in refused.err
    assert "init: [{type: previous_stage, rename: {PATTERN: NAME}}]" in refused.err
    assert list(tmp_path.iterdir()) == [path]


def test_parts_may_have_other_names_in_the_next_stage(command: Command, write: Write) -> None:
    text = """
data: digits
model: {type: autoencoder, code: 8, layers: {type: dense, hidden: [16]}}
task: autoencoding
trainer: {length: 4 steps}
stages:
  - {}
  - task: classification
    model: {type: mlp, hidden: [16, 8]}
    init: [{type: previous_stage, match: ^body, strict: true, rename: {'^encoder.1': body.layers.0.linear,
            '^encoder.3': body.layers.1.linear}}]
    optimizer: {type: sgd, lr: 1e-30}
"""
    called = command("fit", write(text), "--json")
    assert called.status == 0, called.err
    assert "init.0: from the stage before 4 of 4 tensors taken" in called.err
    tuned = last(Path(called.json["run"])).part("model")
    coder = last(Path(command("fit", write(text), "stages=[{}]", "--json").json["run"])).part("model")
    for ours, theirs in (("body.layers.0.linear", "encoder.1"), ("body.layers.1.linear", "encoder.3")):
        assert all(torch.equal(tuned[f"{ours}.{kind}"], coder[f"{theirs}.{kind}"]) for kind in ("weight", "bias"))


def test_the_first_stage_has_none_before_it(command: Command, write: Write) -> None:
    write("data: iris\nmodel: mlp\ninit: [previous_stage]\nstages: [{}, {}]\n")
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert refused.err.startswith("my.yaml:3:8: init.0: there is no stage before this one")


def test_at_any_time_the_parts_of_one_stage_are_in_memory(write: Write, tmp_path: Path) -> None:
    seen: list[weakref.ref[Any]] = []

    class Silent:
        def __enter__(self) -> "Silent":
            return self

        def __exit__(self, *_: object) -> None: ...

        def step(self, step: int) -> None: ...

        def evaluation(self, record: Any, is_best: bool) -> None: ...

    def show(trainer: Trainer) -> Silent:
        assert [ref() for ref in seen] == [None] * len(seen)
        seen.extend(map(weakref.ref, (trainer, trainer.parts.model, trainer.parts.data)))
        return Silent()

    result = fit(Request(str(write(GROWING)), [], tmp_path / "runs"), lambda text: None, show)
    assert result.summary["status"] == "finished", result.summary["reason"]
    assert len(seen) == 9


# --- What a run of several stages leaves.


def test_steps_epochs_and_examples_go_on_over_the_stages(run: Path) -> None:
    lines = records(run)
    assert [line["stage"] for line in lines] == [0, 0, 1, 1, 2, 2]
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 25, 27]
    assert [line["epoch"] for line in lines] == sorted(line["epoch"] for line in lines)
    assert lines[-1]["epoch"] == pytest.approx(2 * 10 / 7 + 7 / 6)  # 106 examples: batches of 16, then of 20
    assert lines[-1]["examples"] == 2 * (106 + 3 * 16) + 106 + 20
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_the_curves_have_one_axis(run: Path) -> None:
    for part in ("train", "dev"):
        curves = scalars(run, part)
        assert [step for step, _ in curves["loss"]] == [5, 10, 15, 20, 25, 27]
        assert [step for step, _ in curves["by_epoch/loss"]] == [1, 2, 4, 5, 6] or all(
            a < b for (a, _), (b, _) in zip(curves["by_epoch/loss"], curves["by_epoch/loss"][1:], strict=False)
        )
    logged = [step for step, _ in scalars(run, "train")["objective"]]
    assert logged == [2, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20, 22, 24, 25, 26, 27]


def test_a_run_without_stages_says_nothing_of_them(command: Command, write: Write) -> None:
    called = command("fit", write(GROWING), "stages=[]", "--json")
    assert "stages" not in called.json
    assert all("stage" not in line for line in records(Path(called.json["run"])))


def test_the_summary_is_of_the_last_stage_and_tells_of_each(run: Path) -> None:
    summary, lines = summary_of(run), records(run)
    assert (summary["status"], summary["steps"], len(summary["stages"])) == ("finished", 27, 3)
    assert [stage["steps"] for stage in summary["stages"]] == [10, 10, 7]
    assert [stage["status"] for stage in summary["stages"]] == ["finished"] * 3
    for stage, line in zip(summary["stages"], lines[1::2], strict=True):
        assert stage["dev"] == line["dev"]
    assert summary["model"] == summary["stages"][2]["model"] != summary["stages"][0]["model"]


def test_the_best_is_that_of_the_last_stage(command: Command, write: Write) -> None:
    """A last stage that only spoils the weights."""
    path = write(GROWING)
    spoilt = ("stages.2.optimizer.lr=3.0", "trainer.monitor=dev/loss")
    run = Path(command("fit", path, *spoilt, "--json").json["run"])
    summary, lines = summary_of(run), records(run)
    assert summary["best"]["step"] in (25, 27)
    assert summary["best"]["value"] == min(line["dev"]["loss"] for line in lines[4:])
    assert min(line["dev"]["loss"] for line in lines) < summary["best"]["value"]
    assert best(run).facts["position"] == {"stage": 2, "step": summary["best"]["step"] - 20}
    assert command("eval", run, "--json").json["metrics"]["loss"] == summary["best"]["value"]


def test_early_stopping_ends_a_stage_and_not_the_run(command: Command, write: Write) -> None:
    settings = "{length: 200 steps, evaluate: 2 steps, early_stopping: {patience: 4 steps, min_change: 0.9}}"
    called = command("fit", write(GROWING), f"stages.1.trainer={settings}", "--json")
    assert called.status == 0, called.err
    statuses = [stage["status"] for stage in called.json["stages"]]
    assert statuses == ["finished", "stopped_early", "stopped_early"]
    assert called.json["stages"][1]["steps"] == called.json["stages"][2]["steps"] == 6
    assert called.json["steps"] == 22


def test_a_checkpoint_is_used_with_the_config_of_its_stage(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 8, lambda: signal.raise_signal(signal.SIGINT))
        stopped = command("fit", write(GROWING), "--json")
    assert stopped.status == 130
    run = Path(stopped.json["run"])
    assert stopped.json["model"]["parameters"] == 67
    measured = command("eval", run, "--json").json["metrics"]
    assert measured["loss"] == pytest.approx(stopped.json["best"]["metrics"]["loss"], rel=1e-6)
    refused = command("eval", run, "stages=[{}]")
    assert refused.status == 0  # it is of stages.0, which is still there
    assert command("fit", "--resume", run).status == 0
    refused = command("eval", run, "stages=[{}]")
    assert refused.status == 2
    assert "stages.2" in refused.err


def test_a_stage_that_cannot_be_made_fails_the_run(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Plan.parts

    def broken(self: Plan, stage: int, *rest: Any) -> Any:
        if stage == 1:
            raise MemoryError
        return parts(self, stage, *rest)

    path = write(GROWING)
    with monkeypatch.context() as patch:
        patch.setattr(Plan, "parts", broken)
        failed = command("fit", path, "--json")
    assert (failed.status, failed.json["status"], failed.json["steps"]) == (1, "failed", 10)
    assert "out of memory" in failed.json["reason"]
    resumed = command("fit", "--resume", failed.json["run"], "--json")
    assert (resumed.status, resumed.json["status"], resumed.json["steps"]) == (0, "finished", 27)


# --- Mistakes, overrides, studies, check, resumption.


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("[{optimizer: {lrr: 0.1}}]", "my.yaml:3:23: stages.0.optimizer.lrr: unknown setting of adam; did you mean"),
        ("[{}, {model: {hidden: [0]}}]", "my.yaml:3:32: stages.1.model.hidden.0: expected a whole number at least 1"),
        ("[{}, {modle: mlp}]", "my.yaml:3:15: stages.1.modle: unknown setting of a config; did you mean 'model'?"),
        ("[{}, {seed: 3}]", "my.yaml:3:15: stages.1.seed: belongs to the whole run; write it outside of the stages"),
        ("[{}, mlp]", "my.yaml:3:14: stages.1: expected what changes in this stage, such as {optimizer: {lr: 0.01}}"),
        ("{}", "my.yaml:3:9: stages: expected a list of partial configs, found settings ()"),
        ("[{}, {data: diabetes, metrics: [accuracy]}]", "my.yaml:3:41: stages.1.metrics.0: accuracy takes classes"),
        ("[{}, {model: lenet}]", "my.yaml:3:22: stages.1.model: lenet takes images (channels, height, width); iris"),
        ("[{}, {data: digits}, {model: rnn}]", "my.yaml:3:38: stages.2.model: rnn takes series"),
        ("[{metrics: [accuracy]}, {data: diabetes}]",
         "my.yaml:3:21: stages.0.metrics.0: accuracy takes classes or tags or masks (a class for every pixel) or "
         "tokens; diabetes gives one value; "
         "metrics that take values: mae, r2, rmse (in stages.1)"),
        ("[{}, {trainer: {length: 5%}}]", "my.yaml:3:33: stages.1.trainer.length: the length of a run cannot be a"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_stage_is_pointed_at_before_anything_starts(
    stages: str, message: str, command: Command, write: Write, tmp_path: Path
) -> None:
    path = write(f"data: iris\nmodel: mlp\nstages: {stages}\n")
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert refused.err.startswith(message)
    assert refused.err.count("my.yaml:") == 1, refused.err
    assert list(tmp_path.iterdir()) == [path]


def test_a_mistake_outside_of_the_stages_is_said_once(command: Command, write: Write) -> None:
    write(GROWING.replace("momentum", "momentun"))
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert refused.err.splitlines()[0] == (
        "my.yaml:4:34: optimizer.momentun: unknown setting of sgd; did you mean 'momentum'?"
    )
    assert refused.err.count("momentun: unknown") == 1


def test_a_setting_that_every_stage_changes_is_checked_all_the_same(command: Command, write: Write) -> None:
    write("data: iris\nmodel: {type: mlp, hidden: three}\nstages: [{model: {hidden: [3]}}, {}]\n")
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    assert refused.err.startswith("my.yaml:2:28: model.hidden: expected a list")


def test_the_rest_may_lack_what_the_stages_give(command: Command, write: Write) -> None:
    write("trainer: {length: 2 steps, early_stopping: {min_change: 0.1}}\n"
          "stages: [{data: iris, model: mlp, trainer: {early_stopping: {patience: 1 epoch}}}, {}]\n")  # fmt: skip
    fitted = command("fit", "my.yaml", "--json")
    assert fitted.status == 0, fitted.err
    assert fitted.json["steps"] == 4


def test_settings_of_stages_can_be_changed_on_the_command_line(command: Command, write: Write) -> None:
    path = write(GROWING)
    shown = command("show", "config", path, "stages.1.optimizer.lr=0.5", "stages.2.model=linear", "--json").json
    assert shown["stages"][1]["optimizer"]["lr"] == 0.5
    assert shown["stages"][2]["model"] == {"type": "linear"}
    for wrong in ("stages.1.optimizer.lrr=1", "stages.1.optimizer.lr=-1", "stages.3.seed=1", "stages=[{seed: 1}]"):
        refused = command("fit", path, wrong)
        assert refused.status == 2
        assert refused.err.startswith(f"command line: {wrong}: stages."), refused.err


def test_a_resolved_config_says_where_the_settings_of_stages_come_from(command: Command, write: Write) -> None:
    write(GROWING)
    text = command("show", "config", "my.yaml", "stages.2.optimizer.eps=0.1").out
    lines = [tuple(part.strip() for part in line.split("# ")) for line in text.splitlines() if "# " in line]
    assert {("hidden: [8, 8]", "my.yaml:9"), ("type: adam", "my.yaml:9"), ("length: 7 steps", "my.yaml:10")} <= {*lines}
    assert {("betas: [0.9, 0.999]", "default of adam"), ("eps: 0.1", "command line")} <= {*lines}


def test_seeds_and_folds_train_every_stage(command: Command, write: Write) -> None:
    path = write(GROWING)
    for option in ("--seeds", "--folds"):
        summary = command("fit", path, option, "2", "--json").json
        assert summary["status"] == "finished"
        assert [len(summary_of(Path(run))["stages"]) for run in summary["runs"]] == [3, 3]
        one, two = (bits(last(Path(run)), "model") for run in summary["runs"])
        assert one != two


def test_check_shows_every_stage(command: Command, write: Write) -> None:
    path = write(GROWING)
    facts = command("check", path, "--json").json
    assert [stage["model"]["parameters"] for stage in facts["stages"]] == [67, 139, 139]
    assert [stage["steps"] for stage in facts["stages"]] == [10, 10, 7]
    shown = command("check", path).out
    assert [shown.count(f"my, stages.{stage}") for stage in range(4)] == [1, 1, 1, 0]


@pytest.fixture
def stopped(command: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped in its second stage."""
    steps: list[int] = []
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda: steps.append(1) or (len(steps) == 2 and signal.raise_signal(signal.SIGINT)))
        called = command("fit", write(GROWING), "--json")
    assert (called.status, called.json["steps"]) == (130, 15)
    return Path(called.json["run"])


def test_a_later_stage_may_be_changed_when_a_run_goes_on(stopped: Path, command: Command) -> None:
    resumed = command("fit", "--resume", stopped, "stages.2.optimizer.lr=0.5", "--json")
    assert resumed.status == 0, resumed.err
    assert "changed: stages.2.optimizer.lr: 0.01 -> 0.5" in resumed.err
    assert [line["train"]["lr"] for line in records(stopped)][-1] == pytest.approx(0.5 * 1 / 7)
    assert load(stopped / "config.yaml").data["stages"][2]["optimizer"] == {"lr": 0.5}


def test_what_the_position_depends_on_cannot_be_changed_in_the_stage_that_goes_on(
    stopped: Path, command: Command
) -> None:
    before = contents(stopped)
    refused = command("fit", "--resume", stopped, "stages.1.data.batch_size=8")
    assert refused.status == 2
    assert "data.batch_size: 16 -> 8" in refused.err
    refused = command("fit", "--resume", stopped, "stages=[{}]")
    assert refused.status == 2
    assert "is in stages.1 already" in refused.err
    assert contents(stopped) == before


def test_a_finished_run_can_be_given_another_stage(run: Path, command: Command) -> None:
    before = contents(run)
    refused = command("fit", "--resume", run)
    assert (refused.status, contents(run)) == (2, before)
    stages = load(run / "config.yaml").data["stages"]
    more = f"stages={[*stages, {'optimizer': {'lr': 0.001}}]}"
    resumed = command("fit", "--resume", run, more, "--json")
    assert resumed.status == 0, resumed.err
    assert (resumed.json["steps"], len(resumed.json["stages"])) == (34, 4)


def test_plain_configs_of_stages_that_share_nothing_are_joined() -> None:
    plains = [
        {"optimizer": {"type": "sgd", "lr": 1}, "x": None},
        {
            "optimizer": {"generator": {"type": "sgd", "lr": 1}, "discriminator": {"type": "sgd", "lr": 1}},
            "x": {"a": 1},
        },
        {"optimizer": {"generator": {"type": "sgd", "lr": 2}, "discriminator": {"type": "adam"}}, "x": {"a": 2}},
        {"optimizer": {"type": "sgd", "lr": 1}, "x": None},
    ]
    assert [stage.data for stage in stages_of(Document("", joined(plains)))] == plains
