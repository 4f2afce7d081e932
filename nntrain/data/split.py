"""Dividing examples into training, dev and test set."""

import math
from collections.abc import Collection
from typing import Annotated, Protocol

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from nntrain.errors import UnfitError
from nntrain.settings import Count, Share, Whole, section

Folds = Annotated[int, Ge(2)]
NONE = torch.arange(0)  # of the examples


@section
class SplitSettings:
    """How a set is divided where it does not come divided: at random, seeded, and stratified.

    Settings:
        dev: the share of the examples for the dev set; left out, 0.15, or 0.1 of the training set where the
            set has a test set of its own; 0 for none
        test: the share for the test set; left out, 0.15 where the set has none of its own
        folds: for cross-validation, how many test sets the examples are dealt out to, in place of a share
        fold: which of the folds is the test set, from 0 (left out) on
        train: how many of the examples that are left for training are used, as if no more had been labelled; left
            out, all
        seed: of the division; not the run's, so that runs with other seeds have the same dev set
    """

    def __init__(
        self,
        *,
        dev: Annotated[float, Ge(0), Lt(1)] | None = None,
        test: Share | None = None,
        folds: Folds | None = None,
        fold: Whole | None = None,
        train: Count | None = None,
        seed: Whole = 0,
    ) -> None:
        self.dev = dev
        self.test = test
        self.folds = folds
        self.fold = fold
        self.train = train
        self.seed = seed


class Division(Protocol):
    """Examples that can be divided. Numbers of examples count from 0, within these, and come in order."""

    @property
    def strata(self) -> Tensor:
        """The group of each that parts are to have their share of."""

    def __len__(self) -> int: ...

    def part(self, numbers: Tensor) -> "Division":
        """Some of the examples."""

    def divide(self, share: float, seed: int) -> tuple[Tensor, Tensor]:
        """The numbers of the examples that stay, and of the share that is taken."""

    def fold(self, folds: int, fold: int, seed: int) -> tuple[Tensor, Tensor]:
        """The numbers of the examples that stay, and of one of the folds that all are dealt out to."""


def divide_all(
    division: Division, split: SplitSettings, name: str = "the set", own: Collection[str] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """The numbers of the examples for training, dev and test set; none for a part that the set has of its `own`."""
    for part, settings in (("dev", ("dev",)), ("test", ("test", "folds", "fold"))):
        for setting in settings:
            if part in own and getattr(split, setting) is not None:
                raise UnfitError(f"{name} has a {part} set of its own; leave this setting out", f"split.{setting}")
    rest, tested = (torch.arange(len(division)), NONE) if "test" in own else _tested(division, split)
    if "dev" in own:
        return rest[thinned(division.part(rest), split)], NONE, tested
    default = 0.1 if "test" in own else 0.15
    dev_share = (default if split.dev is None else split.dev) * len(division) / len(rest)
    if dev_share >= 1:
        raise UnfitError("dev and test leave no examples for training", "split")
    kept, dev = divide_training(division.part(rest), dev_share, split)
    return rest[kept], rest[dev], tested


def divide_training(division: Division, dev_share: float, split: SplitSettings) -> tuple[Tensor, Tensor]:
    """The numbers of the examples that stay for training, and of those of the dev set; neither may be empty."""
    kept, dev = division.divide(dev_share, split.seed + 1)
    if len(kept) == 0 or (len(dev) == 0 and dev_share > 0):
        sizes = f"{len(kept)} for training and {len(dev)} for the dev set"
        raise UnfitError(f"of {len(division)} examples this leaves {sizes}; dev: 0 goes without a dev set", "split")
    return kept[thinned(division.part(kept), split)], dev


def thinned(division: Division, split: SplitSettings) -> Tensor:
    """The numbers of the training examples that are used."""
    found = len(division)
    if split.train is None:
        return torch.arange(found)
    if split.train > found:
        raise UnfitError(f"there are only {found} examples for training", "split.train")
    return divide(division.strata, split.train / found, split.seed + 2)[1]


def _tested(division: Division, split: SplitSettings) -> tuple[Tensor, Tensor]:
    """The examples that stay, and those of the test set: a fold, or a share."""
    if split.folds is not None:
        return _fold(division, split)
    if split.fold is not None:
        raise UnfitError("there is no fold without split.folds, which says how many there are", "split.fold")
    return division.divide(0.15 if split.test is None else split.test, split.seed)


def _fold(division: Division, split: SplitSettings) -> tuple[Tensor, Tensor]:
    """All examples but those of a fold, and those of the fold; every fold has its share of each stratum."""
    assert split.folds is not None
    fold = split.fold or 0
    if split.test is not None:
        raise UnfitError("with folds the test set is one of them; leave this setting out", "split.test")
    if fold >= split.folds:
        raise UnfitError(f"of {split.folds} folds the last is {split.folds - 1}, found {fold}", "split.fold")
    if split.folds > len(division):
        raise UnfitError(f"{len(division)} examples cannot be dealt out to {split.folds} folds", "split.folds")
    return division.fold(split.folds, fold, split.seed)


def divide(strata: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """The numbers of the examples that stay, and of the floor(share * n) that are taken, each in order.

    Every stratum gives its share to within one example: examples are ordered by stratum, at random within
    each, and taken at even distances.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(strata), generator=generator)
    order = shuffled[strata[shuffled].argsort(stable=True)]
    taken = math.floor(share * len(strata) + 1e-9)
    positions = (2 * torch.arange(taken) + 1) * len(strata) // max(2 * taken, 1)
    mask = torch.zeros(len(strata), dtype=torch.bool)
    mask[order[positions]] = True
    return (~mask).nonzero().flatten(), mask.nonzero().flatten()


def sampled(examples: int, size: int, seed: int) -> Tensor:
    """The numbers of a fixed random part of some examples, in order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(examples, generator=generator)[:size].sort().values
