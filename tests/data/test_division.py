"""Ways to divide examples: stratified, by group, by time."""

import pytest
import torch

from nntrain.data.division import Chronological, Grouped, Stratified
from nntrain.data.split import SplitSettings, divide_all
from nntrain.errors import UnfitError

GROUPS = torch.arange(300) // 7 * 10  # of 7, the last of 6; their numbers have gaps
STRATA = torch.arange(300) // 7 % 3


@pytest.mark.parametrize("split", [SplitSettings(), SplitSettings(test=0.3, dev=0.2), SplitSettings(folds=5, fold=2)])
def test_groups_stay_together_and_every_example_is_in_one_part(split: SplitSettings) -> None:
    parts = divide_all(Grouped(GROUPS, STRATA), split)
    assert sorted(torch.cat(parts).tolist()) == list(range(300))
    groups = [set(GROUPS[part].tolist()) for part in parts]
    assert sum(map(len, groups)) == 43
    assert all(torch.equal(part, part.sort().values) for part in parts)


def test_folds_of_groups_cover_all_of_them_once() -> None:
    tested = [divide_all(Grouped(GROUPS, STRATA), SplitSettings(folds=4, fold=fold))[2] for fold in range(4)]
    assert sorted(torch.cat(tested).tolist()) == list(range(300))


def test_groups_are_taken_from_every_stratum() -> None:
    _, taken = Grouped(GROUPS, STRATA).divide(0.21, seed=0)
    counts = torch.bincount(STRATA[taken], minlength=3)
    assert counts.tolist() == [21, 21, 21]


def test_a_group_counts_to_the_stratum_of_most_of_its_examples() -> None:
    mixed = STRATA.clone()
    mixed[::7] = (mixed[::7] + 1) % 3
    assert torch.equal(Grouped(GROUPS, mixed).divide(0.2, 0)[1], Grouped(GROUPS, STRATA).divide(0.2, 0)[1])


def test_of_few_groups_one_at_least_is_taken() -> None:
    groups = torch.arange(40) // 10
    train, dev, test = divide_all(Grouped(groups, torch.zeros(40, dtype=torch.long)), SplitSettings())
    assert [len(part) for part in (train, dev, test)] == [20, 10, 10]
    _, dev, _ = divide_all(Grouped(groups, torch.zeros(40, dtype=torch.long)), SplitSettings(dev=0))
    assert len(dev) == 0


def test_there_are_no_more_folds_than_groups() -> None:
    with pytest.raises(UnfitError, match="4 groups cannot be dealt out to 5 folds") as error:
        divide_all(Grouped(torch.arange(40) // 10, torch.zeros(40, dtype=torch.long)), SplitSettings(folds=5))
    assert error.value.path == ("split", "folds")


def test_the_seed_draws_other_groups() -> None:
    first, again, other = (Grouped(GROUPS, STRATA).divide(0.2, seed)[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_last_in_time_are_tested_on_and_those_before_them_are_the_dev_set() -> None:
    times = torch.randperm(100, generator=torch.Generator().manual_seed(0)).double()
    train, dev, test = divide_all(Chronological(times), SplitSettings(test=0.2, dev=0.1))
    assert sorted(times[test].tolist()) == list(range(80, 100))
    assert sorted(times[dev].tolist()) == list(range(70, 80))
    assert sorted(times[train].tolist()) == list(range(70))


def test_of_equal_times_those_that_stand_last_are_taken() -> None:
    _, taken = Chronological(torch.zeros(10)).divide(0.3, 0)
    assert taken.tolist() == [7, 8, 9]


@pytest.mark.parametrize("division", [Grouped(GROUPS, STRATA), Chronological(GROUPS.double()), Stratified(STRATA)])
def test_as_many_training_examples_as_are_asked_for_are_used(division: Stratified) -> None:
    train, dev, test = divide_all(division, SplitSettings(train=50))
    assert len(train) == 50
    whole = divide_all(division, SplitSettings())
    assert torch.equal(dev, whole[1]) and torch.equal(test, whole[2])
    assert set(train.tolist()) <= set(whole[0].tolist())


@pytest.mark.parametrize("own", [("dev",), ("test",), ("dev", "test")])
def test_parts_of_its_own_are_not_taken_again(own: tuple[str, ...]) -> None:
    parts = dict(zip(("train", "dev", "test"), divide_all(Stratified(STRATA), SplitSettings(), "x", own), strict=True))
    assert all(len(parts[name]) == 0 for name in own)
    assert len(parts["dev"]) == (0 if "dev" in own else 30 if "test" in own else 45)
    assert sum(map(len, parts.values())) == 300
    for name in own:
        with pytest.raises(UnfitError, match=f"x has a {name} set of its own") as error:
            divide_all(Stratified(STRATA), SplitSettings(**{name: 0.2}), "x", own)
        assert error.value.path == ("split", name)
