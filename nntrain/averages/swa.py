"""Stochastic weight averaging."""

from nntrain.averages import Averaged, Share
from nntrain.clock import Clock, Duration
from nntrain.errors import UnfitError
from nntrain.registry import average
from nntrain.settings import Length


@average("swa", within=Averaged)
def swa(clock: Clock, *, start: Length = Duration(75, "%"), every: Length = Duration(1, "epochs")) -> Share:  # noqa: B008
    """The mean of the weights at some steps late in the run, all counting alike; before the first, the weights.

    a_n = (n a_{n-1} + w) / (n + 1), w the weights after start + n every steps, a_0 those after start

    The schedule keeps the rate high, constant or in cycles, so that the weights differ: `constant`, or
    `cosine_restarts` with `every` as long as a cycle. With start: 1 step and every: 1 step it is the average of
    Ruppert and Polyak over the whole run.
    Source: Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, Averaging weights leads to wider optima and better
    generalization, 2018, arXiv:1803.05407; torch.optim.swa_utils.

    Settings:
        start: when the weights are taken for the first time
        every: how long after that they are taken again, and again
    """
    first, interval = clock.steps(start), clock.steps(every)
    if first + interval > clock.total:
        message = f"the run of {clock.total} steps ends before a second set of weights is taken, after step"
        raise UnfitError(f"{message} {first + interval}; start earlier, or take them more often", "start")

    def share(step: int) -> float:
        if step <= first:
            return 1.0
        taken, rest = divmod(step - first, interval)
        return 0.0 if rest else 1 / (taken + 1)

    return share
