"""A training set whose examples are never seen twice alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor

from nntrain.augmentations import Augmentation
from nntrain.batch import Batch
from nntrain.data import Split
from nntrain.mixtures import Mixture
from nntrain.schema import Component
from nntrain.specs import Inputs, Targets

Change = Callable[[Any], Any]  # of a batch's inputs


def as_they_are(inputs: Any) -> Any:
    return inputs


class Augmented:
    """A split whose batches are changed anew whenever they are drawn for training.

    Training batches are augmented, prepared, then mixed. A sample, and what is seen in order, is only prepared:
    there the training error is measured.
    """

    def __init__(
        self, split: Split, augmentations: Sequence[Augmentation], mix: Mixture | None, prepare: Change = as_they_are
    ) -> None:
        self._split = split
        self._augmentations = augmentations
        self._mix = mix
        self._prepare = prepare

    def __len__(self) -> int:
        return len(self._split)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in self._split.stream(plan):
            yield [self._changed(batch) for batch in update]

    def in_order(self) -> Iterator[Batch]:
        for batch in self._split.in_order():
            yield Batch(self._prepare(batch.inputs), batch.targets)

    def sample(self, examples: int, seed: int) -> "Augmented":
        return Augmented(self._split.sample(examples, seed), (), None, self._prepare)

    def _changed(self, batch: Batch) -> Batch:
        inputs = batch.inputs
        for augmentation in self._augmentations:
            inputs = augmentation(inputs)
        prepared = Batch(self._prepare(inputs), batch.targets)
        return prepared if self._mix is None else self._mix(prepared)


def augmentations(augment: Sequence[Component], inputs: Inputs, targets: Targets) -> list[Augmentation]:
    """What a config lists, made for the data; UnfitError where one cannot change such inputs."""
    return [change(inputs, targets) if change.takes("targets") else change(inputs) for change in augment]
