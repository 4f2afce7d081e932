"""From one trained network to another, as a user does it: the source is needed once, and never again."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import Called
from nntrain.checkpoint import Checkpoint, load, serialise
from runs import at_step, instant_disk, last, only_run, runs_in, same_run  # noqa: F401

Command = Callable[..., Called]
Write = Callable[..., Path]

SOURCE = """
data: {type: digits, batch_size: 64, split: {train: 500}}
model: {type: mlp, hidden: [16, 12], norm: batch}
trainer: {length: 2 epochs}
"""
TRANSFER = """
data: {type: digits, batch_size: 16, split: {train: 100}}
model: {type: mlp, hidden: [16, 12], norm: batch, dropout: 0.1}
init: {from: source, match: ^body}
optimizer: {type: sgd, lr: 0.05, momentum: 0.9, groups: [{match: "body", frozen: 10 steps, lr: 0.1x}]}
trainer: {length: 30 steps, evaluate: 6 steps, save: 7 steps, log: 4 steps}
"""


@pytest.fixture
def source(command: Command, write: Write, tmp_path: Path) -> Path:
    """The run of a trained network, in the folder `source`."""
    run = Path(command("fit", write(SOURCE, "old.yaml"), "--json").json["run"])
    return run.replace(tmp_path / "source")


def weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return checkpoint.part("model")


def first_weights(command: Command, *overrides: str) -> dict[str, Tensor]:
    """What a run starts from, nearly: after one step with a rate that changes nothing."""
    still = ("optimizer={type: sgd, lr: 1.0e-30}", "trainer.length=1 step")
    called = command("fit", "my.yaml", *overrides, *still, "--json")
    assert called.status == 0, called.err
    return weights(last(Path(called.json["run"])))


def taken(found: dict[str, Tensor], given: dict[str, Tensor]) -> set[str]:
    """The names of the tensors that are the same, but for one step with next to no rate."""
    same = {n for n, t in found.items() if n in given and t.shape == given[n].shape}
    return {n for n in same if torch.allclose(found[n].double(), given[n].double(), rtol=0, atol=1e-20)}


def test_the_best_model_of_a_run_is_taken_over(command: Command, write: Write, source: Path, tmp_path: Path) -> None:
    write(TRANSFER)
    ours, untouched = first_weights(command), first_weights(command, "init=[]")
    theirs = weights(load(source / "checkpoints" / "best.safetensors"))
    statistics = {name for name in theirs if "running" in name or "tracked" in name}  # a step changes these
    assert taken(ours, theirs) - statistics == {name for name in theirs if name.startswith("body")} - statistics
    assert taken(ours, untouched) - statistics == {"head.weight", "head.bias"}


def test_the_source_is_not_needed_again(
    command: Command, write: Write, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was stopped while the body was still frozen goes on, is measured and ends like one that was not."""
    write(TRANSFER)
    whole = Path(command("fit", "my.yaml", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 8, lambda: signal.raise_signal(signal.SIGINT))
        assert command("fit", "my.yaml", "--out", "stopped").status == 130
    stopped = only_run(tmp_path / "stopped")
    assert f"from: {source}\n" in (stopped / "config.yaml").read_text()
    shutil.rmtree(source)
    assert command("eval", stopped, "--json").json["metrics"]["error_rate"] > 0
    assert command("fit", "--resume", stopped).status == 0
    same_run(whole, stopped)
    assert command("eval", stopped, "--split", "test", "--json").json["examples"] == 269


def test_an_unfinished_run_is_found_and_gone_on_with_without_its_source(
    command: Command, write: Write, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(TRANSFER)
    with monkeypatch.context() as patch:
        at_step(patch, 20, lambda: signal.raise_signal(signal.SIGINT))
        assert command("fit", "my.yaml").status == 130
    shutil.rmtree(source)
    resumed = command("fit", "my.yaml", "--resume", "auto")
    assert resumed.status == 0 and "at step 21" in resumed.err
    assert last(runs_in(tmp_path / "runs")[-1]).facts["position"]["step"] == 30


def test_a_run_whose_checkpoints_are_gone_starts_from_its_source_again(
    command: Command, write: Write, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(TRANSFER)
    whole = Path(command("fit", "my.yaml", "--json").json["run"])
    with monkeypatch.context() as patch:
        at_step(patch, 8, lambda: signal.raise_signal(signal.SIGINT))
        assert command("fit", "my.yaml", "--out", "stopped").status == 130
    stopped = only_run(tmp_path / "stopped")
    for name in ("last", "previous"):
        path = stopped / "checkpoints" / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-5] if path.exists() else b"")
    kept = source.rename(tmp_path / "kept")
    refused = command("fit", "--resume", stopped)
    assert refused.status == 2 and f"init.from: there is no checkpoint {source}" in refused.err
    kept.rename(source)
    assert command("fit", "--resume", stopped).status == 0
    same_run(whole, stopped)


def test_what_was_taken_is_said(command: Command, write: Write, source: Path) -> None:
    write(TRANSFER.replace("hidden: [16, 12]", "hidden: [16, 9]").replace("match: ^body", "strict: false"))
    said = "init: 9 of 16 tensors taken, not body.layers.1.linear.weight (12x16 there, 9x16 here)"
    assert said in command("fit", "my.yaml").err
    checked = command("check", "my.yaml", "--json").json
    assert checked["taken_over"][0].startswith(said) and checked["expected_first_loss"] is None


def test_a_network_that_is_trained_already_is_no_fault(command: Command, write: Write, source: Path) -> None:
    """Its first loss is far below that of guessing, which would be an alarm of an untrained one."""
    write(SOURCE + "init: {from: source}\n")
    command("fit", "my.yaml", "trainer.length=30 epochs")
    checked = command("check", "my.yaml", f"init.from={only_run(Path('runs'))}", "--json").json
    assert checked["first_loss"] < 1.2  # ln(10) = 2.3
    assert checked["findings"] == []


def test_names_in_the_checkpoint_can_be_changed(command: Command, write: Write, source: Path, tmp_path: Path) -> None:
    """The second layer starts as the first of the other network."""
    init = r"{from: source, match: 'layers.1.linear', rename: {'layers\.0': layers.1}}"
    write(TRANSFER.replace("{from: source, match: ^body}", init).replace("[16, 12]", "[64, 16]"))
    theirs = weights(load(source / "checkpoints" / "best.safetensors"))
    ours = first_weights(command)
    assert torch.equal(ours["body.layers.1.linear.weight"], theirs["body.layers.0.linear.weight"])


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("{from: nowhere}", "my.yaml:4:14: init.from: there is no checkpoint {folder}/nowhere"),
        (
            "{from: damaged}",
            "my.yaml:4:14: init.from: {folder}/damaged: damaged: its content does not fit its checksum",
        ),
        ("{from: my.yaml}", "my.yaml:4:14: init.from: {folder}/my.yaml: not a checkpoint of nntrain"),
        ("{from: empty}", "my.yaml:4:14: init.from: {folder}/empty holds no checkpoint"),
        ("{from: optimizer}", "my.yaml:4:14: init.from: {folder}/optimizer holds no trained model"),
        ("{from: source, match: conv}", "my.yaml:4:29: init.match: {best}: 'conv' matches no parameter"),
        (
            "[{from: source, match: bias, strct: true}]",
            "my.yaml:4:36: init.0.strct: unknown setting of checkpoint; did you mean 'strict'?",
        ),
        ("[{form: source}]", "my.yaml:4:9: init.0.form: unknown setting of checkpoint; did you mean 'from'?"),
        ("[{match: body}]", "my.yaml:4:8: init.0: needs a type; there are checkpoint,"),
        ("[{from: 3}]", "my.yaml:4:15: init.0.from: expected text, found 3"),
        ("[{from: source, rename: [a]}]", "my.yaml:4:31: init.0.rename: expected text under each name, found ['a']"),
        (
            "[{from: source, rename: {conv: a}}]",
            "my.yaml:4:31: init.0.rename: {best}: 'conv' matches none of its names",
        ),
        ("3", "my.yaml:4:7: init: expected the name of an initializer, found 3; there are checkpoint,"),
    ],
)
def test_mistakes_are_pointed_at(
    init: str, message: str, command: Command, write: Write, source: Path, tmp_path: Path
) -> None:
    content = (source / "checkpoints" / "best.safetensors").read_bytes()
    (tmp_path / "damaged").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "optimizer").write_bytes(serialise(Checkpoint({"optimizer.w": torch.zeros(1)}, {})))
    write(TRANSFER.replace("{from: source, match: ^body}", init))
    refused = command("fit", "my.yaml")
    assert refused.status == 2
    best = source / "checkpoints" / "best.safetensors"
    assert message.format(folder=tmp_path, best=best) in refused.err
    assert not (tmp_path / "runs" / "my").exists()


def test_all_that_does_not_fit_is_listed(command: Command, write: Write, source: Path) -> None:
    write(TRANSFER.replace("hidden: [16, 12]", "hidden: [16, 9]"))
    refused = command("check", "my.yaml")
    assert refused.status == 2
    for name in ("linear.weight (12x16 there, 9x16 here)", "linear.bias (12 there, 9 here)", "norm.running_var (12"):
        assert f"body.layers.1.{name}" in refused.err
    assert "strict: false takes what fits" in refused.err


def test_a_pickle_is_never_read(command: Command, write: Write, tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (touched,)

    torch.save({"model": Trap()}, tmp_path / "source")
    write(TRANSFER)
    refused = command("fit", "my.yaml")
    assert refused.status == 2 and "not a checkpoint of nntrain" in refused.err
    assert not touched.exists()
