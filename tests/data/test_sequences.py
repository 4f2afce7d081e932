"""Made-up and real sequences: what they hold, and that they are divided and read as they should be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data.adding_problem import adding_problem
from nntrain.data.in_memory import InMemory
from nntrain.data.mnist import mnist
from nntrain.data.scikit_learn import digits
from nntrain.data.sequential_images import sequential_digits, sequential_mnist
from nntrain.specs import Series, Values


@pytest.mark.parametrize("length", [2, 7, 100])
def test_the_adding_problem_marks_one_number_in_each_half(length: int) -> None:
    source = adding_problem(examples=500, length=length)
    numbers, marks = source.train.inputs.values.unbind(dim=2)
    assert (source.inputs, source.targets) == (Series(2, length), Values(("sum",)))
    assert numbers.shape == (500, length) and numbers.min() >= 0 and numbers.max() < 1
    half = length // 2
    assert torch.equal(marks[:, :half].sum(dim=1), torch.ones(500))
    assert torch.equal(marks[:, half:].sum(dim=1), torch.ones(500))
    assert set(marks.flatten().tolist()) == {0.0, 1.0} or length == 2
    torch.testing.assert_close(source.train.targets, (numbers * marks).sum(dim=1, keepdim=True))
    assert (marks.sum(dim=0) > 0).all()  # every step is marked somewhere


def test_always_saying_1_has_an_error_of_a_sixth() -> None:
    targets = adding_problem(examples=50_000, length=4).train.targets
    assert (targets - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.02)


def test_the_adding_problem_is_drawn_from_its_seed() -> None:
    first, again, other = (adding_problem(examples=9, length=9, seed=seed).train.inputs.values for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_digits_by_rows_and_by_pixels() -> None:
    images = digits().train.inputs
    rows, pixels, permuted = (sequential_digits(read=read) for read in ("rows", "pixels", "permuted"))
    assert (rows.inputs, pixels.inputs, permuted.inputs) == (Series(8, 8), Series(1, 64), Series(1, 64))
    assert torch.equal(rows.train.inputs.values[5, 3], images[5, 0, 3])
    assert torch.equal(pixels.train.inputs.values[5, 3 * 8 + 2, 0], images[5, 0, 3, 2])
    assert rows.train.inputs.lengths is None and torch.equal(rows.train.targets, digits().train.targets)


def test_permuted_pixels_have_one_order_for_all_images() -> None:
    pixels, permuted = (sequential_digits(read=read).train.inputs.values for read in ("pixels", "permuted"))
    assert not torch.equal(pixels, permuted)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pixels[:, order], permuted)
    assert torch.equal(sequential_digits(read="permuted").train.inputs.values, permuted)


def test_rows_are_standardised_by_column() -> None:
    data = InMemory(sequential_digits, torch.device("cpu"), None)
    values = data.train.inputs.values.flatten(0, 1)
    deviation, mean = torch.std_mean(values, dim=0, correction=0)
    torch.testing.assert_close(mean, torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviation, torch.ones(8), atol=1e-4, rtol=0)


def test_sequential_mnist_is_mnist(shared_data: Path) -> None:
    images, series = mnist(root=str(shared_data)), sequential_mnist(root=str(shared_data))
    assert series.inputs == Series(28, 28) and series.scale == 1 / 255
    assert torch.equal(series.train.inputs.values, images.train.inputs[:, 0])
    assert series.test is not None and images.test is not None
    tested = series.test()
    assert tested.inputs.values.shape == (10_000, 28, 28) and torch.equal(tested.targets, images.test().targets)


RECIPES: dict[str, str] = {
    "adding_problem": "{type: adding_problem, examples: 200, length: 10}",
    "rows": "{type: sequential_digits}",
    "pixels": "{type: sequential_digits, read: permuted}",
}


def test_a_network_trained_on_values_that_are_not_standardised_can_be_measured(
    command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    config = write(f"data: {RECIPES['adding_problem']}\nmodel: rnn\noptimizer: sgd\ntrainer: {{length: 2 steps}}\n")
    run = command("fit", config, "--json").json["run"]
    measured = command("eval", run, "--split", "test", "--json")
    assert measured.status == 0, measured.err
    assert measured.json["examples"] == 30


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "higher_order_rnn", "tdnn", "fsmn"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_network_over_sequences_trains_on_them(
    command: Callable[..., Any], write: Callable[..., Path], model: str, recipe: str
) -> None:
    config = write(
        f"data: {RECIPES[recipe]}\nmodel: {{type: {model}, hidden: 4}}\noptimizer: sgd\ntrainer: {{length: 2 steps}}\n"
    )
    called = command("fit", config, "--json")
    assert called.status == 0, called.err
    assert called.json["steps"] == 2
