"""Sequences to be said again."""

import pytest
import torch

from nntrain.batch import IGNORED
from nntrain.data.recall import copy, reversal, reversal_pairs
from nntrain.specs import Pairs, Tags, Tokens


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


def test_pairs_are_symbols_and_the_same_in_reverse() -> None:
    source = reversal_pairs(length=4, symbols=3, examples=300)
    assert source.inputs == Pairs(tuple("abc"), ("<begin>", "<end>", *"abc"), 4, 5)
    said, target = source.train.inputs
    assert set(said.lengths.tolist()) == {1, 2, 3, 4}
    for i, n in enumerate(said.lengths.tolist()):
        backwards = [symbol + 2 for symbol in said.values[i, :n].flip(0).tolist()]
        assert target.values[i, : n + 1].tolist() == [0, *backwards]
        assert target.lengths[i] == n + 1
        assert source.train.targets[i].tolist() == [*backwards, 1, *[IGNORED] * (4 - n)]
