"""Training batches are changed anew each time they are drawn; whatever is measured is not."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made import REGISTRY
from torch import Tensor

from conftest import Called
from nntrain.assemble import assemble
from nntrain.batch import Batch, Sequences
from nntrain.config import load
from nntrain.data.augmented import Augmented
from nntrain.document import Document
from nntrain.parts import Parts
from nntrain.reader import Reader
from nntrain.trial import first_batch

CPU = torch.device("cpu")
Write = Callable[..., Path]


def data(**settings: Any) -> Any:
    """A data set as its section of a config describes it."""
    reader = Reader(REGISTRY)
    component = reader.component("data", settings, ("data",))
    assert component is not None and not reader.problems, reader.problems
    return component(CPU, None)


def drawn(split: Any, seed: int, examples: int = 20) -> Batch:
    """A training batch, drawn at a position of the generator."""
    torch.manual_seed(seed)
    return next(split.stream([[torch.arange(examples)]]))[0]


def seen(split: Any) -> Tensor:
    batches = [batch.inputs for batch in split.in_order()]
    return torch.cat([inputs.values if isinstance(inputs, Sequences) else inputs for inputs in batches])


def test_only_training_batches_are_changed() -> None:
    plain, changed = data(type="digits"), data(type="digits", augment=["rotate", "noise"], mix="mixup")
    assert type(plain.train).__name__ == "TensorSplit" and isinstance(changed.train, Augmented)
    for name in ("train", "dev", "test"):
        assert torch.equal(seen(plain.split(name)), seen(changed.split(name)))
    assert torch.equal(seen(plain.train.sample(50, 3)), seen(changed.train.sample(50, 3)))
    first, of_sample = drawn(plain.train, 0), drawn(changed.train.sample(50, 3), 0)
    assert not torch.equal(first.inputs, drawn(changed.train, 0).inputs)
    assert torch.equal(of_sample.inputs, drawn(plain.train.sample(50, 3), 0).inputs)
    assert of_sample.targets.dtype == torch.long
    assert len(changed.train) == len(plain.train) and changed.describe() == plain.describe()


def calls(function: Callable[[], object]) -> int:
    """How many functions are called, Python's and others."""
    found = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize(
    "change",
    [None, "flip", "shift", "erase", "elastic", "rotate", "affine", "noise", "crop", "colour", "auto_augment",
     "rand_augment", "trivial_augment", "mixup", "cutmix"],
)  # fmt: skip
def test_a_batch_is_drawn_and_changed_as_a_whole(change: str | None) -> None:
    settings = {"mix": change} if change in ("mixup", "cutmix") else {"augment": [change] if change else []}
    split = data(type="digits", **settings).train
    drawn(split, 0, 2)  # what is made once
    few, many = (calls(lambda: drawn(split, 0, examples)) for examples in (100, 1000))  # noqa: B023
    assert many < 1.1 * few + 20


def test_what_is_drawn_is_a_function_of_the_position() -> None:
    split = data(type="digits", augment=["elastic", "erase", "rand_augment"], mix="either").train
    first, again, other = (drawn(split, seed) for seed in (5, 5, 6))
    assert torch.equal(first.inputs, again.inputs) and torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)


def test_each_example_of_a_batch_is_changed_on_its_own() -> None:
    split = data(type="digits", augment=["rotate"]).train
    torch.manual_seed(0)
    (batch,) = next(split.stream([[torch.zeros(30, dtype=torch.long)]]))
    assert len({image.numpy().tobytes() for image in batch.inputs}) == 30


def test_images_are_standardised_after_they_are_changed() -> None:
    """What a shift brings in is black, as the rim of the digits is, and not their mean."""
    plain, changed = data(type="digits"), data(type="digits", augment=[{"type": "shift", "pixels": 7}])
    black = float(seen(plain.train).min())
    assert float(drawn(changed.train, 0, 200).inputs.min()) == black < -0.5
    raw = data(type="digits", standardize=False, augment=[{"type": "shift", "pixels": 7}])
    moved = drawn(raw.train, 0, 200).inputs
    mean, deviation = (changed.learned.tensors[name].float().view(1, -1, 1, 1) for name in ("mean", "deviation"))
    torch.testing.assert_close((moved - mean) / deviation, drawn(changed.train, 0, 200).inputs)


def test_vectors_and_series_are_changed_as_they_are_prepared() -> None:
    settings = {"type": "iris", "augment": [{"type": "noise", "deviation": 0.5}]}
    plain, changed = data(type="iris"), data(**settings)
    noise = torch.stack([drawn(changed.train, i).inputs - drawn(plain.train, i).inputs for i in range(200)])
    torch.testing.assert_close(noise.std(dim=(0, 1)), torch.full((4,), 0.5), atol=0.02, rtol=0)
    assert noise.mean().abs() < 0.02
    hidden = data(type="sequential_digits", augment=[{"type": "time_masking", "longest": 4, "share": 0.9}])
    rows = drawn(hidden.train, 1, 100).inputs.values
    blank = (rows == 0).all(dim=2)
    assert bool(blank.any()) and not bool(blank.all(dim=1).any())


def test_the_tokens_of_a_text_are_replaced_in_training(write: Write) -> None:
    plain, changed = (data(type="standard_library", block=40, augment=changes) for changes in ([], ["replace_tokens"]))
    before, after = drawn(plain.train, 3, 30), drawn(changed.train, 3, 30)
    assert torch.equal(before.targets, after.targets)
    share = (before.inputs.values != after.inputs.values).float().mean()
    assert 0.06 < float(share) < 0.13
    for name in ("train", "dev"):
        assert torch.equal(seen(plain.split(name)), seen(changed.split(name)))


# --- In a config.


def written(write: Write, model: str = "lenet", task: str = "classification", **settings: str) -> Path:
    section = ", ".join(f"{name}: {value}" for name, value in settings.items())
    text = f"data:\n  {{{section}}}\nmodel: {model}\ntask: {task}\ntrainer: {{length: 4 steps}}\n"
    return write(text)


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ({"type": "wine", "augment": "[noise, flip]"}, "data.augment.1: ", "flip takes images"),
        ({"type": "wine", "augment": "[noise, flip]"}, "data.augment.1: ", "augmentations that take vectors: noise"),
        ({"type": "digits", "augment": "[time_masking]"}, "data.augment.0: ", "digits gives images"),
        (
            {"type": "digits", "augment": "[{type: shift, pixels: 9}]"},
            "data.augment.0.pixels: ",
            "fewer than the sides",
        ),
        ({"type": "digits", "augment": "[{type: colour, hue: 0.1}]"}, "data.augment.0.hue: ", "grey images"),
        ({"type": "digits", "augment": "[rotat]"}, "data.augment.0: ", "did you mean 'rotate'?"),
        ({"type": "digits", "augment": "flip"}, "data.augment: ", "a list"),
        ({"type": "wine", "mix": "cutmix"}, "data.mix: ", "cutmix takes images"),
        ({"type": "wine", "mix": "either"}, "data.mix.of.1: ", "cutmix takes images"),
        ({"type": "wine", "mix": "{type: mixup, alpha: 0}"}, "data.mix.alpha: ", "greater than 0"),
        ({"type": "digits", "mix": "{type: either, of: [mixup]}"}, "data.mix.of: ", "two mixtures or more"),
    ],
)
def test_what_does_not_fit_is_pointed_at(
    settings: dict[str, str], place: str, message: str, write: Write, command: Callable[..., Called]
) -> None:
    called = command("check", written(write, "mlp", **settings))
    assert called.status == 2, called.out
    (line,) = [line for line in called.err.splitlines() if place in line]
    assert "my.yaml:2:" in line and message in line


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ("type: standard_library, augment: [drop_tokens]", "data.augment.0: ", "use replace_tokens"),
        ("type: standard_library, mix: mixup", "data.mix: ", "unknown setting"),
        ("type: standard_library, augment: [{type: replace_tokens, by: <unk>}]", "data.augment.0.by: ", "'<unk>'"),
        ("type: number_names, mix: mixup", "data.mix: ", "mixup takes classes or values"),
    ],
)
def test_what_does_not_fit_tokens_and_tags_is_pointed_at(
    settings: str, place: str, message: str, write: Write, command: Callable[..., Called]
) -> None:
    called = command("check", write(f"data: {{{settings}}}\nmodel: {{type: gru, hidden: 4}}\n"))
    assert called.status == 2
    (line,) = [line for line in called.err.splitlines() if place in line]
    assert message in line


def parts_of(path: Path) -> Parts:
    document: Document = load(path)
    document.data.setdefault("name", "my")
    return assemble(document)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "hinge", "squared_hinge", "perceptron"])
def test_every_loss_of_classes_takes_mixed_targets(loss: str, write: Write, command: Callable[..., Called]) -> None:
    """The loss of a mixed target is the mixture of the losses of both."""
    path = written(write, "mlp", f"{{type: classification, loss: {loss}}}", type="digits", mix="mixup", batch_size="16")
    assert command("check", path).status == 0
    parts = parts_of(path)
    objective = parts.task.objectives[0]
    torch.manual_seed(0)
    outputs, labels, others = torch.randn(16, 10), torch.randint(10, (16,)), torch.randint(10, (16,))
    one_hot = torch.nn.functional.one_hot
    targets = 0.3 * one_hot(labels, 10) + 0.7 * one_hot(others, 10)

    def loss_of(targets: Tensor) -> float:
        return float(objective.loss(outputs, Batch(None, targets))["loss"].sum)

    assert loss_of(targets) == pytest.approx(0.3 * loss_of(labels) + 0.7 * loss_of(others), rel=1e-5)


LABELS_ONLY = '''
import torch

from nntrain.registry import loss
from nntrain.specs import Classes


@loss("labels_only")
class LabelsOnly:
    """Minus the score of the right class."""

    def __init__(self, targets: Classes) -> None:
        pass

    def __call__(self, outputs, targets):
        return -outputs.gather(1, targets.unsqueeze(1)).sum()
'''


def test_a_loss_that_takes_labels_alone_is_refused_before_training(
    write: Write, command: Callable[..., Called]
) -> None:
    write(LABELS_ONLY, "labels_only.py")
    task = "{type: classification, loss: labels_only}"
    path = written(write, "linear", task, type="iris", mix="mixup")
    path.write_text(f"plugins: [labels_only.py]\n{path.read_text()}")
    assert command("check", path, "data.mix=null").status == 0
    refused = command("fit", path)
    assert refused.status == 2 and "task.loss: this loss fails on" in refused.err
    assert not Path("runs").exists()


def test_the_first_batch_is_mixed_and_evaluation_is_not(write: Write) -> None:
    parts = parts_of(written(write, "mlp", type="digits", mix="{type: mixup, alpha: 1}", batch_size="20"))
    batch = first_batch(parts.data, parts.order)
    assert batch.targets.shape == (20, 10)
    torch.testing.assert_close(batch.targets.sum(dim=1), torch.ones(20))
    assert next(parts.data.train.in_order()).targets.dtype == torch.long


def test_a_trained_model_is_measured_without_changes(write: Write, command: Callable[..., Called]) -> None:
    path = written(write, "mlp", type="digits", mix="mixup", augment="[{type: noise, deviation: 5}]")
    run = command("fit", path, "--json").json
    for part in ("train", "dev"):
        again = command("eval", run["run"], "--split", part, "--json").json
        assert again["metrics"].keys() >= run[part].keys()
    dev = command("eval", run["run"], "--json").json["metrics"]
    assert dev == command("eval", run["run"], "--json").json["metrics"]
    assert dev["loss"] == pytest.approx(run["best"]["metrics"]["loss"], rel=1e-6)
