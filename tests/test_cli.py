"""The commands as users meet them: what they print, what they write, how they end."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nntrain import checkpoint
from nntrain.config import load
from nntrain.registry import KINDS, Registry
from nntrain.schema import component_settings
from nntrain.terminal import ProgressBar

Command = Callable[..., Any]
Write = Callable[..., Path]

CONFIG = """\
data: {type: iris, batch_size: 16}
model: {type: mlp, hidden: [8], dropout: 0.25}
optimizer: {type: sgd, lr: 0.5, momentum: 0.9}
trainer: {length: 30 steps, evaluate: 2 steps}
"""

SUMMARY = (
    "run", "status", "reason", "epochs", "steps", "seconds", "examples_per_second", "data_wait", "model",
    "train", "dev", "best",
)  # fmt: skip
METRICS = {"loss", "error_rate", "accuracy"}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what a developer may have set."""
    for name in ("NNTRAIN_COMMAND", "NNTRAIN_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fitted(command: Command, write: Write) -> dict[str, Any]:
    """The summary of a short run of my.yaml, whose best model is not its last."""
    write(CONFIG)
    called = command("fit", "my.yaml", "--json")
    assert called.status == 0, called.err
    return called.json


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def records(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    """A record or summary without wall time and places."""
    volatile = ("seconds", "examples_per_second", "data_wait", "run", "checkpoint")
    return {k: timeless(v) if isinstance(v, dict) else v for k, v in record.items() if k not in volatile}


def tensors(run: Path, name: str = "last") -> dict[str, bytes]:
    """The bits of a run's checkpoint."""
    stored = checkpoint.load(run / "checkpoints" / f"{name}.safetensors").tensors
    return {key: tensor.numpy().tobytes() for key, tensor in stored.items()}


def is_same_run(a: Path, b: Path) -> bool:
    """Whether two runs gave the same bits."""
    curves = [list(map(timeless, records(run))) for run in (a, b)]
    return curves[0] == curves[1] and all(tensors(a, name) == tensors(b, name) for name in ("last", "best"))


def after_step(patch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """Lets something happen in a run after a step."""
    show = ProgressBar.step

    def step_and_act(self: ProgressBar, number: int) -> None:
        show(self, number)
        if number == step:
            action()

    patch.setattr(ProgressBar, "step", step_and_act)


def interrupt(number: int) -> None:
    os.kill(os.getpid(), number)


def test_fit_in_a_process_of_its_own_prints_one_json_object(nntrain: Command, write: Write, tmp_path: Path) -> None:
    write(CONFIG)
    called = nntrain("fit", "my.yaml", "--json")
    assert called.status == 0
    assert called.out.endswith("}\n") and called.out.count("\n") == 1
    summary = called.json
    assert tuple(summary) == SUMMARY
    assert summary == json.loads((tmp_path / Path(summary["run"]) / "summary.json").read_text(encoding="utf-8"))
    assert "Traceback" not in called.err


def test_the_summary_says_how_the_run_ended(fitted: dict[str, Any], tmp_path: Path) -> None:
    assert fitted["status"] == "finished"
    assert fitted["reason"] is None
    assert fitted["steps"] == 30
    assert fitted["epochs"] == pytest.approx(30 / 7)
    assert fitted["seconds"] > 0 and fitted["examples_per_second"] > 0
    assert fitted["model"] == {"type": "mlp", "parameters": 4 * 8 + 8 + 8 * 3 + 3}
    assert set(fitted["train"]) == set(fitted["dev"]) == METRICS
    run = Path(fitted["run"])
    assert run.is_absolute() and run.parent == tmp_path / "runs" / "my"


def test_the_summary_names_the_best_evaluation(fitted: dict[str, Any]) -> None:
    best_one = fitted["best"]
    assert set(best_one) == {"metric", "value", "step", "checkpoint", "metrics"}
    assert best_one["metric"] == "dev/error_rate"
    assert best_one["value"] == best_one["metrics"]["error_rate"]
    evaluations = {record["step"]: record["dev"] for record in records(Path(fitted["run"]))}
    assert evaluations[best_one["step"]] == best_one["metrics"]
    assert best_one["value"] == min(dev["error_rate"] for dev in evaluations.values())
    assert evaluations[30] == fitted["dev"]
    assert Path(best_one["checkpoint"]) == Path(fitted["run"], "checkpoints", "best.safetensors")
    assert Path(best_one["checkpoint"]).is_file()


def test_without_a_dev_set_there_is_no_best(command: Command, write: Write) -> None:
    write(CONFIG)
    summary = command("fit", "my.yaml", "data.split.dev=0", "--json").json
    assert summary["best"] is None
    assert summary["dev"] == {}
    assert set(summary["train"]) == METRICS


def test_fit_prints_results_and_where_they_are(command: Command, write: Write, tmp_path: Path) -> None:
    write(CONFIG)
    called = command("fit", "my.yaml")
    assert called.status == 0
    (run,) = (tmp_path / "runs" / "my").iterdir()
    for word in ("loss", "error_rate", "finished", f"runs/my/{run.name}", "board", "eval"):
        assert word in called.out
    assert str(run) in called.err  # said before training
    assert "step" in called.err


def test_a_run_has_its_folder(fitted: dict[str, Any]) -> None:
    run = Path(fitted["run"])
    assert {p.name for p in run.iterdir()} == {
        *("config.yaml", "environment.json", "metrics.jsonl", "summary.json", "checkpoints", "train", "dev")
    }
    assert {p.name for p in (run / "checkpoints").iterdir()} <= {
        *("last.safetensors", "previous.safetensors", "best.safetensors")
    }
    for part in ("train", "dev"):
        (events,) = (run / part).iterdir()
        assert events.name.startswith("events.out.tfevents.")
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert environment["command"][1:] == ["fit", "my.yaml", "--json"]
    assert environment["seed"] == 0
    assert {"versions", "device", "git", "python"} <= set(environment)
    assert set(records(run)[0]) == {"step", "epoch", "examples", "seconds", "train", "dev"}


def test_the_best_model_measures_bit_for_bit_as_fit_reported(command: Command, fitted: dict[str, Any]) -> None:
    assert fitted["best"]["step"] < fitted["steps"]
    for given in (fitted["run"], fitted["best"]["checkpoint"]):
        called = command("eval", given, "--json")
        assert called.status == 0
        assert called.json == {
            "checkpoint": fitted["best"]["checkpoint"],
            "split": "dev",
            "examples": 22,
            "metrics": fitted["best"]["metrics"],
        }
    assert called.out.count("\n") == 1 and called.err == ""


def test_the_last_model_measures_bit_for_bit_as_fit_reported(command: Command, fitted: dict[str, Any]) -> None:
    measured = command("eval", Path(fitted["run"], "checkpoints", "last.safetensors"), "--json").json
    assert measured["metrics"] == fitted["dev"] != fitted["best"]["metrics"]


@pytest.mark.parametrize(("split", "examples"), [("train", 106), ("dev", 22), ("test", 22)])
def test_a_model_is_measured_on_every_split(
    command: Command, fitted: dict[str, Any], split: str, examples: int
) -> None:
    measured = command("eval", fitted["run"], "--split", split, "--json").json
    assert (measured["split"], measured["examples"]) == (split, examples)
    assert set(measured["metrics"]) == METRICS


def test_measuring_prints_a_table_and_the_classes(command: Command, fitted: dict[str, Any]) -> None:
    called = command("eval", fitted["run"], "--split", "test")
    assert called.status == 0
    for word in ("test set, 22 examples", "error_rate", "setosa", "versicolor", "virginica", "recall"):
        assert word in called.out


def test_measuring_writes_nothing(command: Command, fitted: dict[str, Any], tmp_path: Path) -> None:
    before = contents(tmp_path)
    command("eval", fitted["run"], "data.batch_size=3")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.batch=3", "command line: data.batch=3: data.batch: unknown setting of iris; did you mean 'batch_size'?"),
        ("model.hidden=[9]", "its weights are not of this network"),
        ("data.split.dev=0", "no dev set"),
        ("data=wine", "wine"),
        ("data.type=diabetes", "diabetes"),
    ],
)
def test_measuring_with_settings_that_do_not_fit_is_refused(
    command: Command, fitted: dict[str, Any], override: str, message: str
) -> None:
    called = command("eval", fitted["run"], override)
    assert called.status == 2
    assert message in called.err


def test_the_config_of_a_run_repeats_it_bit_for_bit(command: Command, fitted: dict[str, Any]) -> None:
    run = Path(fitted["run"])
    again = Path(command("fit", run / "config.yaml", "--json").json["run"])
    assert again != run and again.parent == run.parent
    assert (again / "config.yaml").read_bytes() == (run / "config.yaml").read_bytes()
    assert is_same_run(run, again)


def test_another_seed_is_another_run(command: Command, fitted: dict[str, Any]) -> None:
    again = Path(command("fit", "my.yaml", "seed=1", "--json").json["run"])
    assert tensors(again) != tensors(Path(fitted["run"]))


@pytest.mark.parametrize("name", ["my", "1e-3", "yes", "a=b", "Zürich 1"])
def test_a_resolved_config_is_a_fixed_point(command: Command, write: Write, name: str) -> None:
    write(
        CONFIG
        + "scheduler: {type: cosine, warmup: 5%}\nregularizers: [l2, {type: l1, match: head}]\nmetrics: [accuracy]\n"
    )
    once = command("show", "config", "my.yaml", f"name='{name}'")
    assert once.status == 0
    write(once.out, "again.yaml")
    again = command("show", "config", "again.yaml", "--json").json
    assert again == load("again.yaml").data
    assert again["name"] == name


@pytest.mark.parametrize("command_name", ["fit", "check"])
def test_the_config_of_a_run_whose_name_has_an_equals_sign_is_found(
    command: Command, write: Write, tmp_path: Path, command_name: str
) -> None:
    write(CONFIG)
    assert command("fit", "my.yaml", "name='lr=0.5'").status == 0
    (config,) = tmp_path.glob("runs/lr=0.5/*/config.yaml")
    assert command(command_name, config.relative_to(tmp_path)).status == 0


def test_show_config_prints_every_default(command: Command, write: Write) -> None:
    write("data: iris\nmodel: linear\n")
    called = command("show", "config", "my.yaml", "model=mlp", "model.hidden=[3]")
    assert called.status == 0 and called.err == ""
    resolved = load(write(called.out, "resolved.yaml")).data
    assert resolved["name"] == "my"
    plain = {"activation": "relu", "dropout": 0.0, "norm": "none", "bottleneck": None}
    assert resolved["model"] == {"type": "mlp", "hidden": [3], **plain}
    assert resolved["optimizer"]["type"] == "adam"
    loss = {"loss": {"type": "cross_entropy"}, "label_smoothing": 0.0, "class_weights": None}
    assert resolved["task"] == {"type": "classification", **loss, "auxiliary": []}
    assert resolved["trainer"]["length"] == "20 epochs"
    assert resolved == command("show", "config", "my.yaml", "model=mlp", "model.hidden=[3]", "--json").json


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "wrong.yaml"], "wrong.yaml:2:20: model.dropuot: unknown setting of mlp; did you mean 'dropout'?"),
        (["check", "wrong.yaml"], "wrong.yaml:2:20: model.dropuot"),
        (["fit", "my.yaml", "seed=x"], "command line: seed=x: seed: expected a whole number"),
        (["fit", "my.yaml", "model=lenet"], "command line: model=lenet: model: lenet takes images"),
        (["fit", "nope.yaml"], "there is no config file nope.yaml"),
        (["fit", "mlp_digit"], "no config file mlp_digit; did you mean 'mlp_digits', which comes with nntrain?"),
        (["fit", "configs/mlp_digit.yaml"], "did you mean 'mlp_digits'"),
        (["check", "mlp_digitss"], "did you mean 'mlp_digits'"),
        (["show", "config", "mlp_digitss"], "did you mean 'mlp_digits'"),
        (["fit", "."], "there is no config file ."),
        (["fit"], "fit needs a config"),
        (["fit", "seed=3"], "fit needs a config"),
        (["fit", "--resume", "nope"], "nope is not a run"),
        (["fit", "--resume", "auto"], "fit needs a config"),
        (["fit", "my.yaml", "--out", "my.yaml"], "the run's folder cannot be written: my.yaml/my"),
        (["fit", "my.yaml", "--out", "my.yaml/below"], "the run's folder cannot be written: my.yaml/below"),
        (["fit", "my.yaml", f"name={'x' * 300}"], "name"),
        (["fit", "my.yaml", "--outt", "x"], "No such option"),
        (["fitt", "my.yaml"], "No such command 'fitt'"),
        (["eval", "nope"], "there is no checkpoint nope"),
        (["eval", "."], ". holds no checkpoint; give a run's folder or a .safetensors file"),
        (["eval", "my.yaml"], "my.yaml: not a checkpoint of nntrain"),
        (["eval", "my.yaml", "--split", "dve"], "'dve' is not one of"),
        (["list", "modelz"], "no kind of component is called 'modelz'; did you mean 'models'?"),
        (["show", "modle", "mlp"], "no kind of component is called 'modle'; did you mean 'models'?"),
        (["show", "model", "lennet"], "no model is called 'lennet'; did you mean 'lenet'?"),
        (["show", "model", "lenet", "dropout=0.5"], "dropout=0.5"),
        (["show", "model"], "Missing argument"),
        (["check"], "Missing argument"),
        (["check", "seed=3"], "check needs a config"),
        (["board", "nope"], "there is no folder nope"),
    ],
)  # fmt: skip
def test_wrong_input_is_said_and_nothing_is_written(
    command: Command, write: Write, tmp_path: Path, arguments: list[str], message: str
) -> None:
    write(CONFIG)
    write("data: iris\nmodel: {type: mlp, dropuot: 0.5}\n", "wrong.yaml")
    before = contents(tmp_path)
    called = command(*arguments)
    assert called.status == 2
    assert called.out == ""
    assert message in called.err
    assert "Traceback" not in called.err and "internal error" not in called.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("arguments", [["fit", "my.yaml", "--json"], ["check", "my.yaml", "--json"]])
def test_with_json_wrong_input_leaves_standard_output_empty(
    command: Command, write: Write, arguments: list[str]
) -> None:
    write(CONFIG.replace("mlp", "mpl"))
    called = command(*arguments)
    assert (called.status, called.out) == (2, "")
    assert "did you mean 'mlp'?" in called.err


def test_check_reports_the_mistakes_of_every_config(command: Command, write: Write) -> None:
    write(CONFIG.replace("mlp", "mpl"), "one.yaml")
    write(CONFIG)
    write(CONFIG.replace("sgd", "sdg"), "two.yaml")
    called = command("check", "one.yaml", "my.yaml", "nope.yaml", "two.yaml")
    assert called.status == 2
    for message in ("one.yaml:2:15: model.type", "there is no config file nope.yaml", "two.yaml:3:19: optimizer.type"):
        assert message in called.err


def test_check_says_what_it_found(command: Command, write: Write, tmp_path: Path) -> None:
    write(CONFIG)
    called = command("check", "my.yaml")
    assert called.status == 0 and called.err == ""
    for words in ("Linear", "67 parameters", "train 106, dev 22", "30 steps of 16 examples", "near 1.099"):
        assert words in called.out
    facts = command("check", "my.yaml", "--json").json
    assert facts["model"]["parameters"] == 67
    assert facts["expected_first_loss"] == pytest.approx(1.0986, abs=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["my.yaml"]


def test_a_setting_may_be_longer_than_any_path(command: Command, write: Write) -> None:
    config = write(CONFIG)
    checked = command("check", config, f"init=[{{type: normal, match: '{'.*' * 200}'}}]", "--json")
    assert checked.status == 0, checked.err
    assert command("check", "x" * 300).status == 2


@pytest.mark.parametrize("name", ["mlp_digits", "mlp_digits.yaml"])
def test_a_shipped_config_is_found_by_its_name(command: Command, name: str) -> None:
    called = command("check", name, "--json")
    assert called.status == 0
    assert called.json["config"] == "mlp_digits"


def test_a_file_of_ones_own_is_found_before_a_shipped_one(command: Command, write: Write) -> None:
    write(CONFIG, "mlp_digits.yaml")
    assert command("check", "mlp_digits.yaml", "--json").json["data"]["type"] == "iris"


def test_a_diverged_run_fails_in_one_plain_sentence(command: Command, write: Write) -> None:
    write(CONFIG)
    called = command("fit", "my.yaml", "optimizer.lr=1e30", "--json")
    assert called.status == 1
    assert called.json["status"] == "diverged"
    assert "optimizer.lr" in called.json["reason"]
    assert called.json["reason"] in called.err
    assert json.loads(Path(called.json["run"], "summary.json").read_text(encoding="utf-8")) == called.json


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("plural", [False, True])
def test_every_kind_is_listed(command: Command, kind: str, plural: bool) -> None:
    folder = KINDS[kind].folder
    called = command("list", folder if plural else kind)
    assert called.status == 0 and called.err == ""
    assert called.out.startswith(folder)
    assert command("list", kind, "--json").json == {
        folder: [{"name": e.name, "summary": e.summary} for e in Registry().entries(kind)]
    }
    for name in Registry().names(kind):
        assert f"\n  {name} " in called.out


def test_a_list_is_as_wide_as_the_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = command("list", "schedulers").out
    monkeypatch.setenv("COLUMNS", "50")
    narrow = command("list", "schedulers").out
    assert max(map(len, narrow.splitlines())) <= 50 < max(map(len, wide.splitlines()))
    assert narrow.split() == wide.split()


def test_all_kinds_are_listed_together(command: Command) -> None:
    assert list(command("list", "--json").json) == [kind.folder for kind in KINDS.values()]
    assert command("list").out == "".join(command("list", kind).out for kind in KINDS)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in Registry().names(kind)])
def test_every_component_is_shown_with_its_settings(command: Command, kind: str, name: str) -> None:
    called = command("show", kind, name)
    assert called.status == 0 and called.err == ""
    found = command("show", KINDS[kind].folder, name, "--json").json
    assert called.out.startswith(f"{kind} {name}\n\n{found['description']}\n")
    assert found["description"].startswith(Registry().entry(kind, name).summary.split(" ")[0])
    assert "Settings:" not in found["description"]
    assert Path(found["file"]).is_file() and f"in {found['file']}" in called.out
    assert [s["name"] for s in found["settings"]] == list(component_settings(Registry().load(kind, name)))
    for setting in found["settings"]:
        assert f"\n  {setting['name']} " in called.out
        assert setting["type"] and setting["help"], f"{kind} {name}: {setting['name']} is not explained"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("regularizer", "l2", ["penalty = weight/2 sum_w w^2", "Goodfellow", "weight", "at least 0", "0.0001"]),
        ("model", "lenet", ["LeCun", "activation", "one of relu", "dropout", "at least 0 and less than 1"]),
        ("optimizer", "adam", ["m = b1 m + (1 - b1) g", "arXiv:1412.6980", "betas", "[0.9, 0.999]", "1e-08"]),
        ("scheduler", "cosine", ["(1 + cos(pi p)) / 2", "Loshchilov", "warmup", "final"]),
        ("data", "iris", ["Fisher", "batch_size", "at least 1 or auto or all", "32", "standardize", "true"]),
        ("task", "classification", ["label_smoothing", "loss", "a loss", "cross_entropy"]),
    ],
)  # fmt: skip
def test_show_prints_formula_source_and_settings(command: Command, kind: str, name: str, words: list[str]) -> None:
    out = command("show", kind, name).out
    assert [word for word in words if word not in out] == []


def test_help_completion_and_list_import_no_torch() -> None:
    script = (
        "import contextlib, io, os, sys\n"
        "from nntrain import cli\n"
        "def call(*arguments):\n"
        "    sys.argv = ['nntrain', *arguments]\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out):\n"
        "        try:\n"
        "            cli.main()\n"
        "        except SystemExit as ended:\n"
        "            assert not ended.code, ended\n"
        "    return out.getvalue()\n"
        "assert 'fit' in call('--help')\n"
        "assert '--resume' in call('fit', '--help')\n"
        "assert 'lenet' in call('list')\n"
        "assert 'lenet' in call('list', 'models', '--json')\n"
        "os.environ.update(_NNTRAIN_COMPLETE='complete_bash', COMP_WORDS='nntrain ev', COMP_CWORD='1')\n"
        "assert call() == 'eval\\n'\n"
        "os.environ['COMP_WORDS'] = 'nntrain fit --res'\n"
        "os.environ['COMP_CWORD'] = '2'\n"
        "assert call() == '--resume\\n'\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'sklearn', 'tensorboard', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_debug_shows_a_traceback_and_keeps_the_exit_status(nntrain: Command) -> None:
    called = nntrain("fit", "nope.yaml", NNTRAIN_DEBUG="1")
    assert "Traceback (most recent call last)" in called.err
    assert "UserError: there is no config file nope.yaml" in called.err
    assert called.status == 2


def test_without_debug_a_user_sees_no_traceback(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CONFIG)
    monkeypatch.setattr("nntrain.fit.plan", lambda *_: {}["a bug"])
    called = command("fit", "my.yaml")
    assert called.status == 1
    assert called.err == "internal error: KeyError('a bug'); NNTRAIN_DEBUG=1 shows where\n"


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [(signal.SIGINT, 130, "stopped by Ctrl-C"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
)
def test_a_signal_saves_the_state_and_the_printed_command_finishes_the_run(
    command: Command,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    fitted: dict[str, Any],
    number: int,
    status: int,
    reason: str,
) -> None:
    with monkeypatch.context() as patch:
        after_step(patch, 11, lambda: interrupt(number))
        stopped = command("fit", "my.yaml", "--json")
    assert stopped.status == status
    assert (stopped.json["status"], stopped.json["reason"]) == ("interrupted", reason)
    assert 11 <= stopped.json["steps"] < 30
    run = Path(stopped.json["run"])
    assert json.loads((run / "summary.json").read_text(encoding="utf-8")) == stopped.json
    assert (run / "checkpoints" / "last.safetensors").is_file()

    *said, printed = stopped.err.splitlines()
    assert said[-1] == f"{reason}; the state is saved. To go on:"
    program, *arguments = shlex.split(printed)
    assert (program, arguments) == ("nntrain", ["fit", "--resume", str(run)])
    finished = command(*arguments, "--json")
    assert finished.status == 0
    assert finished.json["run"] == str(run)
    assert timeless(finished.json) == timeless(fitted)
    assert is_same_run(Path(fitted["run"]), run)


def test_a_run_in_a_folder_with_a_blank_is_resumed_by_the_printed_command(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CONFIG)
    with monkeypatch.context() as patch:
        after_step(patch, 3, lambda: interrupt(signal.SIGINT))
        stopped = command("fit", "my.yaml", "name=it's mine", "--out", "my runs")
    program, *arguments = shlex.split(stopped.err.splitlines()[-1])
    assert program == "nntrain"
    assert command(*arguments, "--json").json["status"] == "finished"


def test_a_second_ctrl_c_stops_at_once_and_says_so(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CONFIG)
    with monkeypatch.context() as patch:
        after_step(patch, 3, lambda: [interrupt(signal.SIGINT) for _ in range(2)])
        called = command("fit", "my.yaml")
    assert called.status == 130
    assert "stopped at once; what was saved before is whole" in called.err


def test_runs_started_in_one_second_get_folders_of_their_own(
    command: Command, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Noon(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Noon":
            return cls(2026, 1, 2, 12, 0, 0, tzinfo=tz)

    monkeypatch.setattr("nntrain.run.datetime", Noon)
    write(CONFIG)
    first = Path(command("fit", "my.yaml", "--json").json["run"])
    before = contents(first)
    runs = [first, *(Path(command("fit", "my.yaml", "--json").json["run"]) for _ in range(2))]
    stamp = "2026-01-02T12-00-00"
    assert [run.name for run in runs] == [stamp, f"{stamp}-2", f"{stamp}-3"]
    assert contents(first) == before
    assert {run.parent for run in runs} == {tmp_path / "runs" / "my"}
    assert is_same_run(*runs[1:])


def test_out_says_where_runs_are_kept(command: Command, write: Write, tmp_path: Path) -> None:
    write(CONFIG)
    summary = command("fit", "my.yaml", "--out", "some/where", "--json").json
    assert Path(summary["run"]).parent == tmp_path / "some" / "where" / "my"
    assert not (tmp_path / "runs").exists()


def test_a_schedule_is_drawn(command: Command) -> None:
    picture = [line for line in command("show", "scheduler", "trapezoid").out.splitlines() if "\u2588" in line]
    assert len(picture) == 8
    filled = [line[5:].count("\u2588") for line in picture]
    assert filled == sorted(filled)  # a trapezoid is widest at its foot
    assert filled[0] > 32


def test_a_model_is_not_drawn(command: Command) -> None:
    assert "\u2588" not in command("show", "model", "mlp").out
