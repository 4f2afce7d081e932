"""A rule on the order of examples: batches of the first epoch are mixed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nntrain.batch import Batch
from nntrain.preflight.finding import Finding, applicable
from nntrain.preflight.first_batch import entropy
from nntrain.specs import Classes, Targets

MIXED = 0.6  # of the entropy that the labels of a batch that is drawn at random have
SMALLEST = 8  # a batch
LEAST = 0.2  # the entropy from which on a lack of it can be seen
BATCHES = 20
EXAMPLES = 5000


def shuffled(
    batches: Sequence[Batch], targets: Targets, prior: float | None, plain: Mapping[str, Any]
) -> Iterator[Finding]:
    """The mean entropy of a batch's labels is near H(prior) - (classes - 1) / 2n, that of a random batch of n."""
    whole = [batch for batch in batches if batch.examples >= SMALLEST]
    if prior is None or not isinstance(targets, Classes) or not whole:
        return
    found = [entropy(_counts(batch.targets)) for batch in whole]
    mean = sum(found) / len(found)
    size = whole[0].examples
    random = prior - (len(targets) - 1) / (2 * size)
    if random >= LEAST and mean < MIXED * random:
        yield Finding(
            "shuffled",
            "alarm",
            f"the batches of the first epoch are not mixed: the mean entropy of their labels is {mean:.2f}, "
            f"of random batches {random:.2f} (at least {MIXED:.0%} of it)",
            {"split": "train", "epoch": 0},
            ("data that is read in its order, sorted by class, in place of the order it is given",),
            applicable(plain, "seed=1", "seed=2"),
        )


def _counts(labels: Tensor) -> Tensor:
    """How often each class occurs; where examples are mixed, how much of each there is."""
    return labels.sum(dim=0) if labels.is_floating_point() else torch.bincount(labels.clamp(min=0).cpu())
