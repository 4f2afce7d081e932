"""A training set whose examples are never seen twice alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nntrain.augmentations.placed import together
from nntrain.batch import Batch
from nntrain.data import Split
from nntrain.errors import UnfitError
from nntrain.mixtures import Mixture
from nntrain.schema import Component
from nntrain.specs import Inputs, Targets

Prepare = Callable[[Any], Any]  # of a batch's inputs
Change = Callable[[Batch], Batch]


def _as_they_are(inputs: Any) -> Any:
    return inputs


@dataclass(frozen=True)
class Changes:
    """What is done to training batches whenever they are drawn: augmentations in their order, then a mixture."""

    augmentations: Sequence[Change] = ()
    mixture: Mixture | None = None

    @classmethod
    def of(cls, augment: Sequence[Component], mix: Component | None, inputs: Inputs, targets: Targets) -> "Changes":
        """What a config lists, made for the data; UnfitError where something cannot change such inputs or targets."""
        return cls(
            [_made(change, inputs, targets) for change in augment], None if mix is None else mix(inputs, targets)
        )

    def around(self, split: Split, prepare: Prepare = _as_they_are) -> Split:
        """A training set with its batches changed, and prepared between augmentation and mixture."""
        return Augmented(split, self, prepare) if self.augmentations or self.mixture else split


class Augmented:
    """A split whose batches are changed anew whenever they are drawn for training.

    A sample, and what is seen in order, is only prepared: there the training error is measured.
    """

    def __init__(self, split: Split, changes: Changes, prepare: Prepare) -> None:
        self._split = split
        self._changes = changes
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._split)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in self._split.stream(plan):
            yield [self._changed(batch) for batch in update]

    def in_order(self) -> Iterator[Batch]:
        for batch in self._split.in_order():
            yield batch._replace(inputs=self._prepare(batch.inputs))

    def sample(self, examples: int, seed: int) -> "Augmented":
        return Augmented(self._split.sample(examples, seed), Changes(), self._prepare)

    def _changed(self, batch: Batch) -> Batch:
        for change in self._changes.augmentations:
            batch = change(batch)
        prepared = batch._replace(inputs=self._prepare(batch.inputs))
        return prepared if self._changes.mixture is None else self._changes.mixture(prepared)


def _made(chosen: Component, inputs: Inputs, targets: Targets) -> Change:
    """An augmentation for the data, of inputs and what is to change with them; UnfitError where it cannot."""
    augmentation = chosen(inputs, targets) if chosen.takes("targets") else chosen(inputs)
    try:
        return together(chosen.name, augmentation, targets)
    except UnfitError as error:
        error.locate(chosen.path)
        raise
