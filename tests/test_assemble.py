"""Mistakes that show only when parts meet: shapes, targets, metrics, parameters, devices."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.assemble import assemble
from nntrain.config import load
from nntrain.reader import Reader
from nntrain.sections import read, registry_of

IRIS = {
    "data": "{type: iris, batch_size: 16}",
    "model": "{type: mlp, hidden: [8]}",
    "trainer": "{length: 4 steps}",
}

Check = Callable[..., list[str]]


@pytest.fixture
def check(command: Callable[..., Any], write: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Check:
    """The mistakes of a config, one section a line, without their quoted lines; on a machine without CUDA."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def mistakes(**sections: str) -> list[str]:
        write("".join(f"{section}: {value}\n" for section, value in (IRIS | sections).items()))
        called = command("check", "my.yaml")
        assert called.status == (2 if called.err else 0)
        return [line.removeprefix("error: ") for line in called.err.splitlines() if ".yaml:" in line]

    return mistakes


def test_a_right_config_has_no_mistakes(check: Check) -> None:
    assert check() == []


def test_a_model_for_images_on_vectors(check: Check) -> None:
    (said,) = check(model="lenet")
    refusal, _, others = said.partition("; models that take vectors: ")
    assert (
        refusal == "my.yaml:2:8: model: lenet takes images (channels, height, width); iris gives vectors of 4 features"
    )
    assert {"linear", "mlp"} <= set(others.split(", ")) and "lenet" not in others


def test_an_image_that_is_too_small(check: Check) -> None:
    (said,) = check(data="digits", model="lenet")
    assert said.startswith("my.yaml:2:8: model: lenet: 8x8 is too small")
    assert "smallest side is 12" in said


SQUARED = "squared takes values (real numbers) or reconstructions (task: autoencoding) or boxes (task: localization)"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"task": "{type: classification, loss: squared}"},
         f"4:36: task.loss: {SQUARED}; iris gives 3 classes; losses that take classes: cross_entropy"),
        ({"task": "{type: classification, loss: {type: squared}}"},
         f"4:36: task.loss: {SQUARED}; iris gives 3 classes; losses that take classes: cross_entropy"),
        ({"task": "regression"},
         "4:7: task: regression takes values (real numbers); iris gives 3 classes; tasks that take classes: "),
        ({"data": "diabetes", "task": "classification"},
         "4:7: task: classification takes classes; diabetes gives one value; tasks that take values: "),
        ({"data": "diabetes", "task": "{type: regression, loss: cross_entropy}"},
         "4:32: task.loss: cross_entropy takes classes or tags or masks (a class for every pixel) or tokens; "
         "diabetes gives one value; losses that take"),
        ({"metrics": "[accuracy, rmse]"},
         "4:21: metrics.1: rmse takes values (real numbers); iris gives 3 classes; metrics that take classes: "),
        ({"data": "diabetes", "metrics": "[accuracy]"},
         "4:11: metrics.0: accuracy takes classes or tags or masks (a class for every pixel) or tokens; "
         "diabetes gives one value; metrics that take"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_targets(check: Check, sections: dict[str, str], message: str) -> None:
    (said,) = check(**sections)
    assert said.startswith(f"my.yaml:{message}")


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("dev/eror_rate", "unknown metric 'dev/eror_rate'; did you mean 'dev/error_rate'?"),
        ("error_rate", "unknown metric 'error_rate'; did you mean 'dev/error_rate'?"),
        ("train/acuracy", "unknown metric 'train/acuracy'; did you mean 'train/accuracy'?"),
        ("dev/rmse", "unknown metric 'dev/rmse'"),
        ("zzz", "unknown metric 'zzz'; expected one of dev/accuracy, dev/error_rate, dev/loss, train/accuracy"),
    ],
)
def test_an_unknown_monitor(check: Check, monitor: str, message: str) -> None:
    (said,) = check(trainer=f"{{length: 4 steps, monitor: {monitor}}}")
    assert said.startswith(f"my.yaml:3:37: trainer.monitor: {message}")
    (said,) = check(trainer=f"{{length: 4 steps, early_stopping: {{patience: 2 steps, monitor: {monitor}}}}}")
    assert said.startswith(f"my.yaml:3:73: trainer.early_stopping.monitor: {message}")


@pytest.mark.parametrize("monitor", ["auto", "dev/loss", "train/loss", "dev/accuracy"])
def test_a_known_monitor(check: Check, monitor: str) -> None:
    assert check(trainer=f"{{length: 4 steps, monitor: {monitor}}}") == []


def test_a_metric_of_the_config_may_be_monitored(check: Check) -> None:
    assert check(data="diabetes", trainer="{length: 4 steps, monitor: dev/r2}") == []


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_a_pattern_that_matches_no_parameter(check: Check, kind: str) -> None:
    (said,) = check(regularizers=f"[{{type: {kind}, match: wieght}}]")
    assert said.startswith("my.yaml:4:34: regularizers.0.match: 'wieght' matches no parameter; there are ")
    assert "head.weight, head.bias" in said


def test_a_pattern_that_is_no_regular_expression(check: Check) -> None:
    (said,) = check(regularizers="[{type: l2, match: '('}]")
    assert said.startswith("my.yaml:4:34: regularizers.0.match: '(' is not a regular expression")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "this machine has no CUDA device, so not 'cuda'; use auto or cpu"),
        ("cuda:1", "this machine has no CUDA device, so not 'cuda:1'; use auto or cpu"),
        ("tpu", "expected auto, cpu, cuda or cuda:N, found 'tpu'"),
        ("cuda:one", "expected auto, cpu, cuda or cuda:N, found 'cuda:one'"),
        ("gpu", "expected auto, cpu, cuda or cuda:N, found 'gpu'"),
    ],
)
def test_a_device_that_is_not_there(check: Check, device: str, message: str) -> None:
    assert check(trainer=f"{{length: 4 steps, device: {device}}}") == [f"my.yaml:3:36: trainer.device: {message}"]


def test_a_device_beyond_those_there(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    (said,) = check(trainer="{length: 4 steps, device: 'cuda:2'}")
    assert said.startswith("my.yaml:3:36: trainer.device: this machine has 2 CUDA devices, so not 'cuda:2'")


def test_a_network_that_no_machine_holds(check: Check) -> None:
    (said,) = check(model="{type: mlp, hidden: [9223372036854775807]}")
    assert said.startswith("my.yaml:2:8: model: mlp cannot be made for vectors of 4 features: it needs more memory")


def test_threads_that_no_machine_has(check: Check) -> None:
    (said,) = check(trainer="{length: 4 steps, threads: 99999999999}")
    assert said == "my.yaml:3:37: trainer.threads: expected at most 1024 threads, found 99999999999"


@pytest.mark.parametrize(("metrics", "column"), [("[acuracy]", 11), ("[accuracy, {type: acuracy}]", 28)])
def test_an_unknown_metric(check: Check, metrics: str, column: int) -> None:
    (said,) = check(metrics=metrics)
    assert said.startswith(f"my.yaml:4:{column}: metrics.")
    assert said.endswith("unknown metric 'acuracy'; did you mean 'accuracy'?")


@pytest.mark.parametrize("sections", [{"optimizer": "{type: sgd, nesterov: true}"}, {"sed": "1"}])
def test_nothing_is_downloaded_for_a_wrong_config(
    check: Check, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sections: dict[str, str]
) -> None:
    downloaded: list[Path] = []

    def download(folder: Path, download: bool) -> None:
        downloaded.append(folder)
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.MNIST", download)
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (said,) = check(data="mnist", model="lenet", **sections)
    assert said.startswith("my.yaml:4:") and not downloaded
    (said,) = check(data="mnist", model="lenet")
    assert said.startswith("my.yaml:1:7: data: mnist could not be downloaded (no network)") and len(downloaded) == 1


def test_a_damaged_file_hides_no_other_mistake(check: Check, tmp_path: Path) -> None:
    raw = tmp_path / "sets" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            (raw / f"{part}-{kind}").write_bytes(b"")
    damaged, unknown = check(data="{type: mnist, root: sets}", sed="1")
    assert damaged.startswith(f"my.yaml:1:7: data: {raw}/train-images-idx3-ubyte: its header does not fit its size")
    assert unknown.startswith("my.yaml:4:1: sed: unknown setting")


def test_a_folder_is_taken_from_the_file_that_names_it(check: Check, write: Callable[..., Any], tmp_path: Path) -> None:
    (said,) = check(data="{type: mnist, root: sets}", model="lenet")
    assert said.startswith(f"my.yaml:1:27: data.root: {tmp_path / 'sets'} holds no MNIST/raw")
    path = write("name: a\ndata: {type: mnist, root: ../sets}\nmodel: lenet\n", "below/my.yaml")
    for overrides, folder in (([], "sets"), (["data.root=more/sets"], "more/sets")):
        document = load(path, overrides)
        given, plain, _ = read(Reader(registry_of(document), document.absolute), document)
        assert given["data"].settings["root"] == plain["data"]["root"] == str(tmp_path / folder)


def test_nesterov_without_momentum(check: Check) -> None:
    expected = ["my.yaml:4:34: optimizer.nesterov: nesterov needs momentum; write momentum: 0.9"]
    assert check(optimizer="{type: sgd, nesterov: true}") == expected
    assert check(optimizer="{type: sgd, nesterov: true, momentum: 0}") == expected
    assert check(optimizer="{type: sgd, nesterov: true, momentum: 0.9}") == []


def test_early_stopping_without_a_dev_set(check: Check) -> None:
    without = {"data": "{type: iris, split: {dev: 0}}"}
    assert check(**without, trainer="{length: 4 steps, early_stopping: {patience: 2 steps}}") == [
        "my.yaml:3:44: trainer.early_stopping: there is no dev set to watch; set data.split.dev, "
        "or monitor a train/ metric"
    ]
    assert check(**without, trainer="{length: 4 steps, early_stopping: {patience: 2 steps, monitor: train/loss}}") == []


def test_a_dev_metric_without_a_dev_set(check: Check) -> None:
    (said,) = check(data="{type: iris, split: {dev: 0}}", trainer="{length: 4 steps, monitor: dev/loss}")
    assert said.startswith("my.yaml:3:37: trainer.monitor: unknown metric 'dev/loss'")


@pytest.mark.parametrize("shares", ["dev: 0.5, test: 0.5", "dev: 0.9, test: 0.9"])
def test_a_split_that_leaves_nothing_to_train_on(check: Check, shares: str) -> None:
    (said,) = check(data=f"{{type: iris, split: {{{shares}}}}}")
    assert said == "my.yaml:1:27: data.split: dev and test leave no examples for training"


def test_a_length_that_is_a_share_of_itself(check: Check) -> None:
    (said,) = check(trainer="{length: 50%}")
    assert said.startswith("my.yaml:3:19: trainer.length: the length of a run cannot be a share of itself")


def test_mistakes_of_all_sections_are_reported_together_by_line(check: Check) -> None:
    found = check(
        data="{type: iris, split: {dev: 0}}",
        model="lenet",
        optimizer="{type: sgd, nesterov: true}",
        metrics="[rmse]",
        trainer="{length: 4 steps, device: cuda, monitor: dev/eror_rate, early_stopping: {patience: 2 steps}}",
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["my.yaml:2:8", "model"],
        ["my.yaml:3:36", "trainer.device"],
        ["my.yaml:3:51", "trainer.monitor"],
        ["my.yaml:3:82", "trainer.early_stopping"],
        ["my.yaml:4:34", "optimizer.nesterov"],
        ["my.yaml:5:11", "metrics.0"],
    ]


def test_a_loss_that_does_not_fit_hides_no_other_mistake(check: Check) -> None:
    found = check(
        data="{type: iris, split: {dev: 0}}",
        task="{type: classification, loss: squared}",
        regularizers="[{type: l2, match: wieght}]",
        metrics="[rmse]",
        trainer="{length: 4 steps, monitor: dev/eror_rate, early_stopping: {patience: 2 steps}}",
    )
    assert [line.split(": ")[1] for line in found] == [
        "trainer.monitor",
        "trainer.early_stopping",
        "task.loss",
        "regularizers.0.match",
        "metrics.0",
    ]


def test_a_wrong_setting_of_the_trainer_hides_no_other_mistake(check: Check) -> None:
    found = check(trainer="{length: 4 steps, precision: fp16, device: cuda, monitor: dev/eror_rate}")
    assert [line.split(": ")[1] for line in found] == ["trainer.precision", "trainer.device", "trainer.monitor"]


def test_the_task_is_inferred_from_the_data(write: Callable[..., Any]) -> None:
    for data, task in (("iris", "classification"), ("diabetes", "regression")):
        parts = assemble(load(write(f"name: my\ndata: {data}\nmodel: linear\n")))
        assert parts.plain["task"]["type"] == task


def test_sizes_are_inferred_from_the_data(write: Callable[..., Any]) -> None:
    for data, shape in (("iris", (3, 4)), ("wine", (3, 13)), ("diabetes", (1, 10))):
        parts = assemble(load(write(f"name: my\ndata: {data}\nmodel: linear\n")))
        assert [tuple(p.shape) for p in parts.model.parameters()] == [shape, shape[:1]]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": "digits", "model": "rbm", "task": "rbm"}, ": model.visible: binary units take values from 0 to 1"),
        ({"data": "digits", "model": "{type: cnn, top: rnn}"}, ": model.top: rnn makes no features of a vector; take"),
        ({"data": "digits", "model": "gan"}, "models that take images: alexnet, cnn, lenet, linear, mlp, perceptron,"),
        ({"data": "digits", "model": "mlp", "task": "gan"}, "mlp does not make samples of images of shape (1, 8, 8); "),
        ({"data": "sequential_digits", "model": "{type: tdnn, dilations: [10000000]}"}, "looks 10,000,000 steps"),
        ({"data": "sequential_digits", "model": "{type: fsmn, look_ahead: 10000000}"}, "looks 10,000,000 steps"),
        ({"data": "sequential_digits", "model": "{type: higher_order_rnn, order: 50000}"}, "model.order: looks 50,000"),
    ],
)  # fmt: skip
def test_what_could_not_work_is_refused_where_it_stands(check: Check, sections: dict[str, str], message: str) -> None:
    (said,) = check(**sections)
    assert message in said


def test_a_wrong_setting_of_the_data_hides_no_other_mistake(check: Check) -> None:
    said = check(
        data="{type: iris, batch_sise: 4}",
        regularizers="[{type: l2, match: wieght$}]",
        trainer="{monitor: dev/eror_rate}",
        scheduler="{type: step, every: 3 days}",
    )
    places = [line.split(": ")[1] for line in said]
    assert sorted(places) == ["data.batch_sise", "regularizers.0.match", "scheduler.every", "trainer.monitor"]


def test_a_batch_of_one_that_batch_normalisation_cannot_take(command: Any, write: Any) -> None:
    config = write("data: {type: iris, batch_size: 1}\nmodel: {type: mlp, hidden: [4], norm: batch}\n")
    refused = command("check", config)
    assert refused.status == 2
    assert "model: the first batch of 1 examples fails" in refused.err
    assert "take a larger data.batch_size" in refused.err
