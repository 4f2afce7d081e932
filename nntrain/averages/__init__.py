"""Averages of weights over the steps of a run: what is evaluated and kept in place of the last step's weights."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from nntrain.batch_statistics import BatchStatistics
from nntrain.clock import Clock
from nntrain.errors import UnfitError
from nntrain.matching import matching
from nntrain.settings import Auto, Count

Share = Callable[[int], float]  # how much of the average the weights after so many steps become: 1 starts it anew
ENOUGH = 10_000  # training examples that batch statistics are estimated with, where nothing else is said


class Average(Protocol):
    """What the trainer knows of an average."""

    def follow(self, step: int) -> None:
        """Takes in the weights after `step` steps."""

    def in_place(self) -> AbstractContextManager[None]:
        """Lets the model be the average, batch statistics included; afterwards it is what it was."""

    def means(self) -> list[Tensor]:
        """The averaged parameters."""

    def state(self) -> dict[str, Tensor]:
        """What of the model's state the average has in its place, for the checkpoint."""

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Goes on from a state; what it has not starts from the model's weights."""


class NoAverage:
    """The weights of the last step."""

    def follow(self, step: int) -> None:
        """There is nothing to do."""

    def in_place(self) -> AbstractContextManager[None]:
        return nullcontext()

    def means(self) -> list[Tensor]:
        return []

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """There is nothing to restore."""


class Averaged:
    """An average a_t = a_{t-1} + s_t (w_t - a_{t-1}) of the weights w_t after step t.

    Settings:
        match: pattern on the names of the parameters that are averaged; the others are taken as they are
        recalibrate: with how many training batches the statistics of batch normalisation are estimated anew for
            each evaluation (true for the whole training set, false to take those of the last step's weights); auto
            is as many as hold 10,000 examples
    """

    def __init__(
        self,
        share: Callable[[Clock], Share],
        clock: Clock,
        statistics: BatchStatistics,
        *,
        match: str = ".*",
        recalibrate: Count | bool | Auto = "auto",
    ) -> None:
        if recalibrate != "auto" and not statistics.buffers():
            raise UnfitError("the model has no batch statistics; leave this setting out", "recalibrate")
        self._share = share(clock)
        self._statistics = statistics
        self._batches = _batches(recalibrate, statistics)
        self._estimated: dict[str, Tensor] | None = None  # the average's batch statistics, None where not known yet
        parameters = matching(statistics.model, match)
        self._weights = [p.detach() for p in parameters]
        self._means = [weight.clone() for weight in self._weights]
        means = dict(zip(map(id, parameters), self._means, strict=True))
        state = statistics.model.state_dict(keep_vars=True)  # has every name of a parameter that parts share
        self._named = {name: means[id(tensor)] for name, tensor in state.items() if id(tensor) in means}

    def follow(self, step: int) -> None:
        share = self._share(step)
        if share > 0:
            torch._foreach_lerp_(self._means, self._weights, share)
        self._estimated = None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        changing = [*self._weights, *self._statistics.buffers().values()]
        kept = [tensor.clone() for tensor in changing]
        torch._foreach_copy_(self._weights, self._means)
        try:
            self._recalibrate()
            yield
        finally:
            torch._foreach_copy_(changing, kept)

    def means(self) -> list[Tensor]:
        return self._means

    def state(self) -> dict[str, Tensor]:
        with self.in_place():
            return {**self._named, **(self._estimated or {})}

    def restore(self, stored: Mapping[str, Tensor]) -> None:
        torch._foreach_copy_(self._means, self._weights)
        for name in self._named.keys() & stored.keys():
            self._named[name].copy_(stored[name])

    def _recalibrate(self) -> None:
        """Puts the average's batch statistics in their place, estimated once for the weights as they are."""
        if self._batches == 0 or not self._statistics.buffers():
            return
        if self._estimated is None:
            self._statistics.estimate(self._batches)
            self._estimated = {name: buffer.clone() for name, buffer in self._statistics.buffers().items()}
        for name, buffer in self._statistics.buffers().items():
            buffer.copy_(self._estimated[name])


def _batches(recalibrate: int | str, statistics: BatchStatistics) -> int:
    """How many batches to estimate with, 0 for not at all."""
    order = statistics.order
    if not statistics.buffers() or recalibrate is False:
        return 0
    if recalibrate is True:
        return order.batches_per_epoch
    if isinstance(recalibrate, int):
        return recalibrate
    return min(order.batches_per_epoch, math.ceil(ENOUGH / order.batch_size))
