"""Sequences held in memory: padding, standardisation, division, and the parts that a set comes with."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nntrain.batch import IGNORED, Sequences
from nntrain.data.in_memory import Examples, InMemory, Source, as_they_are
from nntrain.data.split import SplitSettings
from nntrain.errors import UnfitError
from nntrain.specs import Classes, Series, Tags, Tokens

CPU = torch.device("cpu")
LENGTHS = torch.tensor([5, 2, 3, 1] * 10)


def series() -> Source:
    values = torch.randn(40, 5, 2, generator=torch.Generator().manual_seed(0)) * 3 + 7
    mask = torch.arange(5) < LENGTHS[:, None]
    padded = torch.where(mask[..., None], values, 1e6)
    return Source(
        "made_up", Series(2, 5), Classes(("a", "b")), Examples(Sequences(padded, LENGTHS), torch.arange(40) % 2)
    )


def tagged() -> Source:
    numbers = torch.arange(200).reshape(40, 5)
    tags = torch.where(torch.arange(5) < LENGTHS[:, None], numbers % 3, IGNORED)
    spec = Tokens(tuple(map(str, range(200))), 5)
    return Source("tagged", spec, Tags(("a", "b", "c"), 5), Examples(Sequences(numbers, LENGTHS), tags))


def real(inputs: Sequences) -> Tensor:
    mask = inputs.mask()
    assert mask is not None
    return inputs.values[mask]


def test_series_are_standardised_by_their_real_steps_alone() -> None:
    data = InMemory(series, CPU, None, split=SplitSettings(dev=0.2, test=0.2))
    values = real(data.train.inputs)
    torch.testing.assert_close(values.mean(dim=0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(values.std(dim=0, correction=0), torch.ones(2), rtol=0, atol=1e-5)
    mask = data.train.inputs.mask()
    assert bool((data.train.inputs.values[~mask] == 0).all())


def test_a_checkpoints_mean_and_deviation_are_taken_for_series() -> None:
    stored = {"mean": torch.tensor([1.0, 2.0]).double(), "deviation": torch.tensor([2.0, 4.0]).double()}
    plain = InMemory(series, CPU, None, standardize=False)
    data = InMemory(series, CPU, replace(plain.learned, tensors=stored, facts={"standardize": True}))
    expected = (real(plain.train.inputs) - torch.tensor([1.0, 2.0])) / torch.tensor([2.0, 4.0])
    torch.testing.assert_close(real(data.train.inputs), expected)


def test_the_preparation_of_other_series_is_refused() -> None:
    learned = InMemory(series, CPU, None).learned
    with pytest.raises(UnfitError, match="trained on series of 5 steps, 3 features each"):
        InMemory(series, CPU, replace(learned, inputs=Series(3, 5))).split("dev")


def test_a_batch_is_cut_to_its_longest_sequence_and_so_are_its_tags() -> None:
    data = as_they_are(tagged, CPU, None, split=SplitSettings(dev=0.2, test=0.2))
    train = data.train
    for longest in (1, 2, 3, 5):
        numbers = (train.inputs.lengths <= longest).nonzero().flatten()
        (batch,) = next(train.stream([[numbers]]))
        assert batch.inputs.values.shape == batch.targets.shape == (len(numbers), longest)
        assert torch.equal(batch.targets == IGNORED, ~batch.inputs.mask())


def test_tokens_stay_the_numbers_they_are() -> None:
    data = as_they_are(tagged, CPU, None)
    assert data.train.inputs.values.dtype == torch.long
    assert data.learned.tensors == {}


def test_sequences_of_one_length_have_no_mask() -> None:
    source = Source(
        "full", Series(2, 5), Classes(("a", "b")), Examples(Sequences(torch.randn(40, 5, 2)), torch.arange(40) % 2)
    )
    data = InMemory(lambda: source, CPU, None)
    batch = next(iter(data.train.in_order()))
    assert batch.inputs.mask() is None
    assert batch.inputs.values.shape[1:] == (5, 2)


def test_all_examples_come_in_order_once() -> None:
    data = as_they_are(tagged, CPU, None, split=SplitSettings(dev=0, test=0.2))
    firsts = torch.cat([batch.inputs.values[:, 0] for batch in data.train.in_order()])
    assert torch.equal(firsts, data.train.inputs.values[:, 0])
    assert len(set(firsts.tolist())) == 32


def test_a_sample_is_fixed_and_in_order() -> None:
    train = as_they_are(tagged, CPU, None).train
    first, again = train.sample(7, seed=0), train.sample(7, seed=0)
    assert len(first) == 7
    assert torch.equal(first.inputs.values, again.inputs.values)
    assert bool((first.inputs.values[:, 0].diff() > 0).all())


def own_parts() -> Source:
    source = series()
    return Source(source.name, source.inputs, source.targets, source.train, series_part, dev=series_part)


def series_part() -> Examples:
    return series().train.take(torch.arange(6))


def test_a_set_with_dev_and_test_parts_of_its_own_keeps_them() -> None:
    data = InMemory(own_parts, CPU, None)
    assert [len(part) for name in ("train", "dev", "test") if (part := data.split(name)) is not None] == [40, 6, 6]
    assert len(InMemory(own_parts, CPU, None, split=SplitSettings(train=7)).train) == 7


def test_a_set_with_a_dev_part_of_its_own_is_not_divided_again() -> None:
    with pytest.raises(UnfitError, match="has a dev set of its own; leave this setting out"):
        InMemory(own_parts, CPU, None, split=SplitSettings(dev=0.1))
