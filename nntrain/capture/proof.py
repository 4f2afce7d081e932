"""How a step that was written down is proven: some calls are done both ways, from the same state."""

import random
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from nntrain.batch import Batch, with_tensors
from nntrain.device import Device
from nntrain.snapshot import Snapshot

Look = Callable[[Sequence[Batch]], list[Tensor]]

PROVEN_EARLY = 2  # calls after writing down that are done both ways,
PROVEN_LATER = 3  # and as many among the next ones
AMONG = 1000


class BothWays(NamedTuple):
    """What the plain way gave and the state that it left; the same of the other way, or why that failed."""

    plain: list[Tensor]
    after: Snapshot
    other: list[Tensor]
    other_after: Snapshot
    error: Exception | None


def both_ways(
    plain: Callable[[], list[Tensor]], other: Callable[[], list[Tensor]], model: nn.Module, device: Device
) -> BothWays:
    """Both from the state that is found; the other's is left."""
    before = Snapshot(model, device)
    given = plain()
    after = Snapshot(model, device)
    before.restore()
    found: list[Tensor] = []
    failure: Exception | None = None
    try:
        found = other()
    except Exception as error:
        failure = error
    return BothWays(given, after, found, Snapshot(model, device), failure)


def proven_calls(shapes: int) -> frozenset[int]:
    """The numbers of the calls that are done both ways, where there are so many shapes of batches."""
    later = random.Random(shapes).sample(range(PROVEN_EARLY, AMONG), PROVEN_LATER)
    return frozenset((*range(PROVEN_EARLY), *later))


def form_of(trained: Hashable, tensors: Sequence[Tensor]) -> Hashable:
    """What calls have in common that one graph serves: what is trained, and the layout of the batches."""
    return trained, tuple((t.shape, t.stride(), t.dtype) for t in tensors)


def of_tensors(look: Look, batches: Sequence[Batch]) -> Callable[[Sequence[Tensor]], list[Tensor]]:
    """The function of batches as one of the tensors in batches like these."""
    return lambda tensors: look(with_tensors(list(batches), tensors))
