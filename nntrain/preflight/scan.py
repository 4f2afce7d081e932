"""One pass over a split: everything the rules on data need to know of all of its examples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nntrain.batch import IGNORED, Batch
from nntrain.data import Split
from nntrain.preflight.examples import by_example, fingerprints
from nntrain.specs import Classes, Inputs, Labels, LabelSet, Targets

MOST_NUMBERS = 100_000_000  # of the inputs that are looked at: MNIST twice over, a fraction of a second
SAMPLE = 2000  # examples that statistics are taken of, or fewer where they have more numbers than these
SAMPLE_NUMBERS = 10_000_000


@dataclass(frozen=True)
class Odd:
    """A number that should not be: the example's, where in the example, and its value."""

    example: int
    place: tuple[int, ...]
    value: float


@dataclass
class Scan:
    """What a pass over a split found. `is_whole` says whether it saw all; `counts` are of each class's labels."""

    split: str
    examples: int = 0
    is_whole: bool = True
    counts: Tensor | None = None
    infinite_inputs: list[Odd] = field(default_factory=list)  # the first of each batch that has one
    infinite_targets: list[Odd] = field(default_factory=list)
    wrong_labels: list[Odd] = field(default_factory=list)
    fingerprints: list[int] = field(default_factory=list)


def scan(name: str, split: Split, targets: Targets) -> Scan:
    """Looks at the examples of a split in their order, until it has seen enough numbers."""
    found = Scan(name)
    numbers = 0
    for batch in split.in_order():
        if numbers > MOST_NUMBERS:
            found.is_whole = False
            break
        values = by_example(batch.inputs)
        numbers += 0 if values is None else values.numel()
        found.infinite_inputs += _infinite(values, found.examples)
        found.infinite_targets += _infinite(by_example(batch.targets), found.examples)
        if isinstance(targets, Labels | LabelSet):
            _count(found, batch.targets, targets)
        found.fingerprints += fingerprints(batch.inputs)
        found.examples += batch.examples
    return found


def sample(split: Split, inputs: Inputs) -> list[Batch]:
    """Batches of some examples, drawn at random but always the same."""
    examples = min(SAMPLE, 1 + SAMPLE_NUMBERS // math.prod(inputs.shape))
    return list(split.sample(examples, 0).in_order())


def _infinite(values: Tensor | None, before: int) -> Iterator[Odd]:
    """The first number of a batch that is infinite or none at all."""
    # A sum is many times faster than a test of every number; where it is not finite, one of them may be at fault.
    if values is None or bool(torch.isfinite(values.sum())):
        return
    for example, *place in (~torch.isfinite(values)).nonzero()[:1].tolist():
        yield Odd(before + example, tuple(place), float(values[(example, *place)]))


def _count(found: Scan, labels: Tensor, targets: Labels | LabelSet) -> None:
    kinds = 2 if isinstance(targets, LabelSet) else len(targets)
    is_label = torch.ones_like(labels, dtype=torch.bool) if isinstance(targets, Classes) else labels != IGNORED
    is_wrong = is_label & ((labels < 0) | (labels >= kinds))
    for example, *place in is_wrong.nonzero()[:1].tolist():
        found.wrong_labels.append(Odd(found.examples + example, tuple(place), int(labels[(example, *place)])))
    if not isinstance(targets, LabelSet):
        counts = torch.bincount(labels[is_label & ~is_wrong].flatten(), minlength=kinds)
        found.counts = counts if found.counts is None else found.counts + counts
