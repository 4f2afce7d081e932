"""Data that fits in memory: decoded once into tensors, prepared once, kept on the device, batched by index."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from nntrain.batch import count, each, lengths_of
from nntrain.data import Given, Learned, Split, check_alike, plain_files, preparation
from nntrain.data.augmented import Changes
from nntrain.data.division import Stratified
from nntrain.data.plain_files import Piece
from nntrain.data.preparation import Preparation
from nntrain.data.split import SplitSettings, divide_all
from nntrain.data.tensor_split import TensorSplit
from nntrain.data.undivided import Examples, Parts, Undivided
from nntrain.samplers import Sampler, TrainingSet
from nntrain.settings import Augmentation, BatchSize, Mixture, Scaling, assumed
from nntrain.settings import Sampler as SamplerSetting
from nntrain.specs import Classes, Image, OneToMany, Pairs, Series, Targets, Tokens, Vector, Video

__all__ = ["Examples", "InMemory", "Source", "as_they_are"]  # what sets are made of


@dataclass(frozen=True)
class Source:
    """A set whose examples are tensors as they come.

    `dev` and `test` are there where the set comes with such a part.
    """

    name: str
    inputs: Vector | Image | Video | Series | Tokens | Pairs | OneToMany
    targets: Targets
    train: Examples
    test: Callable[[], Examples] | None = None
    scale: float = 1.0
    dev: Callable[[], Examples] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def parts(self, split: SplitSettings) -> Parts:
        strata = self.targets.strata(self.train.targets)
        own = {name: part for name, part in (("dev", self.dev), ("test", self.test)) if part is not None}
        train, dev, test = divide_all(Stratified(strata), split, self.name, own)
        take = self.train.take
        return Parts(lambda: take(train), own.get("dev", lambda: take(dev)), own.get("test", lambda: take(test)))

    def learn(self, train: Examples) -> Learned:
        return Learned(self.inputs, self.targets.learned_from(train.targets), facts=self.facts)

    def examples(self, part: Examples, learned: Learned) -> Examples:
        check_alike(self.name, learned, self.inputs, self.targets)
        return part


class InMemory:
    """A set held in memory, divided and prepared.

    What is learned of the training set, such as the mean and deviation of each feature of a vector or of a step in
    time, or of each channel of an image, prepares the other parts as well, and travels in the checkpoint. Images and
    videos are augmented as pixels from 0 to 1, before they are prepared.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set, auto for as many as are fast here
        standardize: whether numbers are standardised, true for mean 0 and deviation 1; or another scaling
        split: how the set is divided where it does not come divided
        augment: random changes of training inputs, one after the other
        mix: how training examples are mixed with each other
        sampler: in which order examples are seen
    """

    def __init__(
        self,
        source: Callable[[], Undivided],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: BatchSize | Literal["all"] = 32,
        standardize: bool | Scaling = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
        augment: list[Augmentation] = [],  # noqa: B006
        mix: Mixture | None = None,
        sampler: SamplerSetting = "shuffled",
    ) -> None:
        self._source = source
        self._sampler = sampler
        self._device = device
        self._batch_size = assumed(batch_size)
        self._standardize = standardize
        self._division = split
        self.learned = self._learn() if stored is None else preparation.checked(stored, standardize)
        self._prepare = Preparation.of(standardize, self.learned)
        self.inputs, self.targets = self._prepare.scaling.inputs(self.learned.tensors), self.learned.targets
        self._changes = Changes.of(augment, mix, self.inputs, self.targets) if stored is None else Changes()

    @property
    def train(self) -> Split:
        self._let_go()
        return self._train

    @property
    def batch_size(self) -> int:
        return len(self.train) if self._batch_size == "all" else self._batch_size

    @cached_property
    def sampler(self) -> Sampler:
        train = self._training
        labels = train.targets if isinstance(self.targets, Classes) else None
        return self._sampler(TrainingSet(len(train), self.batch_size, labels, lengths_of(train.inputs)))

    def split(self, name: str) -> Split | None:
        if name == "train":
            return self.train
        if name == "dev":
            self._let_go()
            return self._dev
        test = self._parts.test()
        return self._ready(test, self._prepare) if len(test) else None

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        for piece in plain_files.read(self.learned.inputs, self.targets, paths):
            yield self.prepared(piece)

    def prepared(self, piece: Piece) -> Given:
        """Examples from files, which are ordinary numbers already, made ready like the training set."""
        if piece.inputs is None:
            return Given(None, piece.sources, piece.failures)
        inputs = each(lambda part: part.to(self._device), self._prepare(piece.inputs))
        targets = each(lambda part: part.to(self._device), plain_files.targets_of(piece, self.targets, inputs))
        return Given(TensorSplit(inputs, targets, count(targets)), piece.sources, piece.failures)

    def describe(self) -> dict[str, Any]:
        parts = {"train": self.train, "dev": self._dev}
        sizes = {name: len(part) for name, part in parts.items() if part is not None}
        return {"inputs": str(self.inputs), "targets": str(self.targets), "examples": sizes}

    def _let_go(self) -> None:
        """Lets go of the set as it comes, once it is trained on; a test set is read anew."""
        if {"_train", "_dev"} <= self.__dict__.keys():
            for name in ("_parts", "_read"):
                self.__dict__.pop(name, None)

    @cached_property
    def _train(self) -> Split:
        if self._augments_pixels:
            return self._changes.around(self._training, self._prepare.on(self._device))
        return self._changes.around(self._training)

    @property
    def _augments_pixels(self) -> bool:
        return bool(self._changes.augmentations) and isinstance(self.inputs, Image | Video)

    @cached_property
    def _training(self) -> TensorSplit:
        """The training set without changes; not scaled yet where its pixels are changed first."""
        prepare = self._prepare.without_scaling() if self._augments_pixels else self._prepare
        ready = self._ready(self._unprepared, prepare)
        del self._unprepared
        return ready

    @cached_property
    def _unprepared(self) -> Any:
        """The training set as it comes: to be learned from, then made ready."""
        return self._parts.train()

    @cached_property
    def _dev(self) -> TensorSplit | None:
        dev = self._parts.dev()
        return self._ready(dev, self._prepare) if len(dev) else None

    @cached_property
    def _read(self) -> Undivided:
        return self._source()

    @cached_property
    def _parts(self) -> Parts:
        return self._read.parts(self._division)

    def _learn(self) -> Learned:
        """What is to be known of the training set, for it and for what comes later."""
        source, train = self._read, self._unprepared
        found = source.learn(train)
        inputs = source.examples(train, found).inputs
        return preparation.with_scaling(found, self._standardize, inputs, source.scale)

    def _ready(self, part: Any, prepare: Preparation) -> TensorSplit:
        """A part on the device, prepared."""
        examples = self._read.examples(part, self.learned)
        inputs = each(lambda part: part.to(self._device), prepare(examples.inputs, self._read.scale))
        weights = each(lambda part: part.to(self._device, torch.get_default_dtype()), examples.weights)
        targets = each(self._placed, examples.targets)
        size = 0 if self._batch_size == "all" else self._batch_size
        return TensorSplit(inputs, targets, size, weights)

    def _placed(self, targets: Tensor) -> Tensor:
        """On the device, real numbers in torch's default type."""
        return targets.to(self._device, torch.get_default_dtype() if targets.is_floating_point() else None)


def as_they_are(
    source: Callable[[], Source],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: BatchSize | Literal["all"] = 32,
    split: SplitSettings = SplitSettings(),  # noqa: B008
    augment: list[Augmentation] = [],  # noqa: B006
    mix: Mixture | None = None,
    sampler: SamplerSetting = "shuffled",
) -> InMemory:
    """A set held in memory and divided, whose inputs need no preparation: tokens, or numbers that mean themselves.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set, auto for as many as are fast here
        split: how the set is divided where it does not come divided
        augment: random changes of training inputs, one after the other
        mix: how training examples are mixed with each other
        sampler: in which order examples are seen
    """
    return InMemory(
        source,
        device,
        stored,
        batch_size=batch_size,
        standardize=False,
        split=split,
        augment=augment,
        mix=mix,
        sampler=sampler,
    )
