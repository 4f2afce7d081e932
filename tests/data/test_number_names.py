"""Numbers to be spelt: names, and their letters as targets; a network makes sequences from vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.batch import IGNORED
from nntrain.data.number_names import number_names, spell
from nntrain.specs import Tags, Vector


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "zero"),
        (7, "seven"),
        (15, "fifteen"),
        (20, "twenty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (305, "three hundred five"),
        (472, "four hundred seventy two"),
        (818, "eight hundred eighteen"),
    ],
)
def test_names(number: int, name: str) -> None:
    assert spell(number) == name
    source = number_names()
    assert isinstance(source.targets, Tags)
    letters = source.train.targets[number]
    read = [source.targets.names[tag] for tag in letters[letters != IGNORED].tolist()]
    assert read == [*name, "end"]
    assert (letters[len(read) :] == IGNORED).all()


def test_inputs_are_three_digits() -> None:
    source = number_names()
    assert source.inputs == Vector(30) and len(source.train) == 1000
    assert source.train.inputs[472].nonzero().flatten().tolist() == [4, 17, 22]
    assert torch.equal(source.train.inputs.sum(dim=1), torch.full((1000,), 3.0))
    assert source.train.targets.shape == (1000, max(len(spell(n)) for n in range(1000)) + 1)


def test_all_names_differ() -> None:
    assert len({spell(number) for number in range(1000)}) == 1000


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "higher_order_rnn"])
def test_networks_make_sequences_from_vectors(
    command: Callable[..., Any], write: Callable[..., Path], model: str
) -> None:
    text = f"data: number_names\nmodel: {{type: {model}, hidden: 8, bidirectional: true}}\noptimizer: sgd\n"
    called = command("fit", write(text + "trainer: {length: 2 steps}\n"), "--json")
    assert called.status == 0, called.err
    assert set(called.json["dev"]) == {"loss", "error_rate", "accuracy", "exact_match"}
