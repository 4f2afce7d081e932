"""Sequences to be said again."""

import pytest
import torch

from nntrain.batch import IGNORED
from nntrain.data.recall import copy, reversal
from nntrain.specs import Tags, Tokens


@pytest.mark.parametrize("data", [reversal, copy])
def test_symbols_are_said_again_at_the_blanks(data: type) -> None:
    source = data(length=5, symbols=7, examples=400)
    inputs, targets = source.train.inputs.values, source.train.targets
    assert source.inputs == Tokens((*"abcdefg", "_"), 10)
    assert source.targets == Tags(tuple("abcdefg"), 10)
    said = inputs[:, :5]
    assert torch.equal(targets[:, 5:], said.flip(1) if data is reversal else said)
    assert (inputs[:, 5:] == 7).all()
    assert (targets[:, :5] == IGNORED).all()
    assert torch.bincount(said.flatten(), minlength=7).min() > 200
    assert source.train.inputs.lengths is None


def test_the_seed_makes_the_sequences() -> None:
    one, same, other = (reversal(examples=10, seed=seed).train.inputs.values for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_there_may_be_more_symbols_than_letters() -> None:
    assert reversal(symbols=30, examples=2).inputs.vocabulary[26:] == ("26", "27", "28", "29", "_")
