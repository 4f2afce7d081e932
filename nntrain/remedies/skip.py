"""Leaves updates out."""

from nntrain.registry import remedy
from nntrain.remedies import Remedy
from nntrain.settings import Count


@remedy("skip")
def skip(*, times: Count = 10) -> Remedy:
    """Leaves the update out: weights, the optimizer's state and running statistics stay as they are.

    The numbers of its examples are written to left_out.jsonl. Good against single broken batches, and against
    gradients that are seldom too large.
    Source: Micikevicius et al., Mixed precision training, 2018, arXiv:1710.03740, section 3.2.

    Settings:
        times: how many updates of a stage may be left out before the run stops
    """
    return Remedy(skips=times)
