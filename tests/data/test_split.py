"""Dividing examples into training, dev and test set."""

import math

import pytest
import torch

from nntrain.data.split import divide

SIZES = [1, 2, 10, 149, 150, 1797, 70_000]
SHARES = [0.0, 0.001, 0.1, 0.15, 1 / 3, 0.5, 0.85, 0.99, 0.999]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("n", SIZES)
def test_both_parts_cover_all_examples_once_each_in_order(n: int, share: float) -> None:
    kept, taken = divide(torch.zeros(n, dtype=torch.int64), share, seed=0)
    assert len(taken) == math.floor(share * n + 1e-9)
    assert torch.equal(torch.cat((kept, taken)).sort().values, torch.arange(n))
    assert torch.equal(kept, kept.sort().values) and torch.equal(taken, taken.sort().values)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("n", SIZES)
def test_every_stratum_gives_its_share_to_within_one_example(n: int, share: float) -> None:
    """Whatever the strata's sizes: here from one example to most of them."""
    generator = torch.Generator().manual_seed(n)
    strata = (12 * torch.rand(n, generator=generator) ** 3).long()
    _, taken = divide(strata, share, seed=3)
    found, sizes = torch.bincount(strata[taken], minlength=12), torch.bincount(strata, minlength=12)
    assert (found - sizes.double() * len(taken) / n).abs().max() <= 1 + 1e-9


def test_a_million_examples_are_divided_as_exactly_as_few() -> None:
    n = 1_000_003
    kept, taken = divide(torch.arange(n) % 3, 0.99, seed=0)
    assert (len(kept), len(taken)) == (n - 990_002, 990_002)
    assert (torch.bincount(taken % 3) - 990_002 / 3).abs().max() <= 1


def test_strata_need_not_be_counted_from_zero() -> None:
    kept, taken = divide(torch.tensor([7, 7, -2, -2, 7, 7, -2, -2]), 0.5, seed=0)
    assert (len(kept), len(taken)) == (4, 4)
    assert sorted(taken.tolist()) != [0, 1, 2, 3]


def test_the_division_is_a_function_of_the_seed() -> None:
    strata = torch.arange(200) % 4
    first, again, other = (divide(strata, 0.3, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_examples_are_drawn_from_the_whole_of_a_stratum() -> None:
    """Each is taken by about a tenth of the seeds."""
    strata = torch.arange(50) % 5
    times = torch.zeros(50)
    for seed in range(400):
        times[divide(strata, 0.1, seed)[1]] += 1
    assert times.sum() == 400 * 5
    assert times.min() > 10 and times.max() < 80
