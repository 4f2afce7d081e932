"""Ways to divide examples into those that are trained on and those that are held out."""

import math

import torch
from torch import Tensor

from nntrain.data.split import divide
from nntrain.errors import UnfitError


class Stratified:
    """At random, every stratum giving its share to within one example."""

    def __init__(self, strata: Tensor) -> None:
        self.strata = strata

    def __len__(self) -> int:
        return len(self.strata)

    def part(self, numbers: Tensor) -> "Stratified":
        return Stratified(self.strata[numbers])

    def divide(self, share: float, seed: int) -> tuple[Tensor, Tensor]:
        return divide(self.strata, share, seed)

    def fold(self, folds: int, fold: int, seed: int) -> tuple[Tensor, Tensor]:
        from sklearn.model_selection import StratifiedKFold

        dealt = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
        rest, taken = list(dealt.split(self.strata, self.strata))[fold]
        return torch.from_numpy(rest), torch.from_numpy(taken)


class Grouped:
    """At random, examples of one group staying together; shares are those of the groups, one at least.

    A group counts to the stratum that most of its examples are of.
    """

    def __init__(self, groups: Tensor, strata: Tensor) -> None:
        _, self._groups = torch.unique(groups, return_inverse=True)
        self.strata = strata

    def __len__(self) -> int:
        return len(self._groups)

    def part(self, numbers: Tensor) -> "Grouped":
        return Grouped(self._groups[numbers], self.strata[numbers])

    def divide(self, share: float, seed: int) -> tuple[Tensor, Tensor]:
        counts = torch.zeros(int(self._groups.max()) + 1, int(self.strata.max()) + 1, dtype=torch.long)
        counts.index_put_((self._groups, self.strata), torch.ones_like(self._groups), accumulate=True)
        least = 1 / len(counts) if share > 0 else 0.0
        _, taken = divide(counts.argmax(dim=1), max(share, least), seed)
        is_taken = torch.isin(self._groups, taken)
        return (~is_taken).nonzero().flatten(), is_taken.nonzero().flatten()

    def fold(self, folds: int, fold: int, seed: int) -> tuple[Tensor, Tensor]:
        from sklearn.model_selection import StratifiedGroupKFold

        there = int(self._groups.max()) + 1
        if folds > there:
            raise UnfitError(f"{there} groups cannot be dealt out to {folds} folds", "split.folds")
        dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
        rest, taken = list(dealt.split(self.strata, self.strata, self._groups))[fold]
        return torch.from_numpy(rest), torch.from_numpy(taken)


class Chronological:
    """By time: the last are taken; of equal times those that stand last."""

    def __init__(self, times: Tensor) -> None:
        self._times = times
        self.strata = torch.zeros(len(times), dtype=torch.long)

    def __len__(self) -> int:
        return len(self._times)

    def part(self, numbers: Tensor) -> "Chronological":
        return Chronological(self._times[numbers])

    def divide(self, share: float, seed: int) -> tuple[Tensor, Tensor]:
        order = self._times.argsort(stable=True)
        stay = len(order) - math.floor(share * len(order) + 1e-9)
        return order[:stay].sort().values, order[stay:].sort().values

    def fold(self, folds: int, fold: int, seed: int) -> tuple[Tensor, Tensor]:
        raise UnfitError("examples divided by time are not dealt out to folds; leave this setting out", "split.folds")
