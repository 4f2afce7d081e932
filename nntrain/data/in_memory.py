"""Data that fits in memory: decoded once into tensors, prepared once, kept on the device, batched by index."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from nntrain.batch import Batch, Sequences, each, lengths_of
from nntrain.data import Given, Learned, check_alike, plain_files, standardization
from nntrain.data.plain_files import Piece, unknown
from nntrain.data.split import SplitSettings, divide_all, divide_training, sampled, thinned
from nntrain.errors import UnfitError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.settings import Count
from nntrain.settings import Sampler as SamplerSetting
from nntrain.specs import Classes, Image, Pairs, Series, Targets, Tokens, Vector, Video

EVALUATION_BYTES = 4 << 20  # of inputs in a batch of evaluation: large enough to be fast, small beside any model


@dataclass(frozen=True)
class Examples:
    """Inputs (n, ...), a tensor of any number type, `Sequences` or a `Pair`, and targets (n, ...)."""

    inputs: Any
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, numbers: Tensor) -> "Examples":
        return Examples(each(lambda part: part[numbers], self.inputs), self.targets[numbers])


@dataclass(frozen=True)
class Source:
    """A set as it comes: `scale` times the inputs are ordinary numbers (pixels from 0 to 1).

    `dev` and `test` are there where the set comes with such a part; `facts` is what reading it learned from the
    training set, such as the codes of categories, as JSON can say it.
    """

    name: str
    inputs: Vector | Image | Video | Series | Tokens | Pairs
    targets: Targets
    train: Examples
    test: Callable[[], Examples] | None = None
    scale: float = 1.0
    dev: Callable[[], Examples] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class TensorSplit:
    """Examples as tensors on the device."""

    def __init__(self, inputs: Any, targets: Tensor, batch_size: int) -> None:
        self.inputs = inputs
        self.targets = targets
        self.batch_size = batch_size
        self._finish = _without_needless_padding if _is_padded(inputs) else _as_it_is

    def __len__(self) -> int:
        return len(self.targets)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self._finish(self._batch(numbers)) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        size = max(self.batch_size, EVALUATION_BYTES // max(1, _first_tensor(self.inputs)[:1].nbytes))
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self._finish(Batch(each(lambda tensor: tensor[part], self.inputs), self.targets[part]))  # noqa: B023

    def sample(self, examples: int, seed: int) -> "TensorSplit":
        if len(self) <= examples:
            return self
        batch = self._batch(sampled(len(self), examples, seed).to(self.targets.device))
        return TensorSplit(batch.inputs, batch.targets, self.batch_size)

    def _batch(self, numbers: Tensor) -> Batch:
        return Batch(
            each(lambda part: part.index_select(0, numbers), self.inputs), self.targets.index_select(0, numbers)
        )


def _first_tensor(inputs: Any) -> Tensor:
    return inputs if isinstance(inputs, Tensor) else _first_tensor(inputs[0])


def _is_padded(inputs: Any) -> bool:
    return isinstance(inputs, Sequences) and inputs.lengths is not None


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _without_needless_padding(batch: Batch) -> Batch:
    """The batch, cut to its longest sequence."""
    values, lengths = batch.inputs
    whole, longest = values.shape[1], int(lengths.max())
    targets = batch.targets[:, :longest] if batch.targets.shape[1:2] == (whole,) else batch.targets
    return Batch(Sequences(values[:, :longest], lengths), targets)


class InMemory:
    """A set held in memory, divided and prepared.

    Standardisation is x' = (x - mean) / deviation with the mean and deviation of the training set, for each
    feature of a vector or of a step in time, or each channel of an image (a deviation of 0 counts as 1); it
    travels in the checkpoint.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set
        standardize: whether inputs are standardised
        split: how the set is divided where it does not come divided
        sampler: in which order examples are seen
    """

    def __init__(
        self,
        source: Callable[[], Source],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: Count | Literal["all"] = 32,
        standardize: bool = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
        sampler: SamplerSetting = "shuffled",
    ) -> None:
        self._source = source
        self._sampler = sampler
        self._device = device
        self._batch_size = batch_size
        self._standardize = standardize
        self._division = split
        self._stored = stored
        if stored is not None and standardize != ("mean" in stored.tensors):
            was = "not standardised" if standardize else "standardised"
            raise UnfitError(f"the checkpoint's inputs were {was} in training; leave this setting out", "standardize")
        self.learned = self._learn() if stored is None else stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets

    @cached_property
    def train(self) -> TensorSplit:
        return self._ready(self._parts.train)

    @property
    def batch_size(self) -> int:
        return len(self.train) if self._batch_size == "all" else self._batch_size

    @cached_property
    def sampler(self) -> Sampler:
        train = self.train
        labels = train.targets if isinstance(self.targets, Classes) else None
        return self._sampler(TrainingSet(len(train), self.batch_size, labels, lengths_of(train.inputs)))

    def split(self, name: str) -> TensorSplit | None:
        if name == "train":
            return self.train
        if name == "dev":
            return self._dev
        test = self._parts.test()
        return self._ready(test) if len(test) else None

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        for piece in plain_files.read(self.inputs, paths):
            yield self.prepared(piece)

    def prepared(self, piece: Piece) -> Given:
        """Examples from files, which are ordinary numbers already, made ready like the training set."""
        if piece.inputs is None:
            return Given(None, piece.sources, piece.failures)
        inputs = standardization.apply(piece.inputs, 1.0, self.learned.tensors)
        inputs = each(lambda part: part.to(self._device), inputs)
        targets = unknown(self.targets, inputs).to(self._device)
        return Given(TensorSplit(inputs, targets, len(targets)), piece.sources, piece.failures)

    def describe(self) -> dict[str, Any]:
        parts = {"train": self.train, "dev": self._dev}
        sizes = {name: len(part) for name, part in parts.items() if part is not None}
        return {"inputs": str(self.inputs), "targets": str(self.targets), "examples": sizes}

    @cached_property
    def _dev(self) -> TensorSplit | None:
        return self._ready(self._parts.dev) if len(self._parts.dev) else None

    @cached_property
    def _read(self) -> Source:
        """The set as it comes; UnfitError where it is not such as the checkpoint was trained on."""
        source = self._source()
        if self._stored is not None:
            check_alike(source.name, self._stored, source.inputs, source.targets)
        return source

    @cached_property
    def _parts(self) -> "Parts":
        return divided(self._read, self._division)

    def _learn(self) -> Learned:
        """What is to be known of the training set, for it and for what comes later."""
        source, train = self._read, self._parts.train
        tensors = standardization.learn(train.inputs, source.scale) if self._standardize else {}
        return Learned(source.inputs, source.targets.learned_from(train.targets), tensors, source.facts)

    def _ready(self, examples: Examples) -> TensorSplit:
        inputs = standardization.apply(examples.inputs, self._read.scale, self.learned.tensors)
        targets = examples.targets
        if targets.is_floating_point():
            targets = targets.to(torch.get_default_dtype())
        on_device = each(lambda part: part.to(self._device), inputs)
        size = 0 if self._batch_size == "all" else self._batch_size
        return TensorSplit(on_device, targets.to(self._device), size)


@dataclass(frozen=True)
class Parts:
    """Training, dev and test examples."""

    train: Examples
    dev: Examples
    test: Callable[[], Examples]


def divided(source: Source, split: SplitSettings) -> Parts:
    """The parts of a set; one with a test set of its own keeps it for testing."""
    strata = source.targets.strata(source.train.targets)
    if source.dev is not None and split.dev is not None:
        raise UnfitError(f"{source.name} has a dev set of its own; leave this setting out", "split.dev")
    if source.test is None:
        train, dev, tested = divide_all(strata, split)
        return Parts(source.train.take(train), source.train.take(dev), lambda: source.train.take(tested))
    for name in ("test", "folds", "fold"):
        if getattr(split, name) is not None:
            raise UnfitError(f"{source.name} has a test set of its own; leave this setting out", f"split.{name}")
    if source.dev is not None:
        examples = source.train if split.train is None else source.train.take(thinned(strata, split))
        return Parts(examples, source.dev(), source.test)
    train, dev = divide_training(strata, 0.1 if split.dev is None else split.dev, split)
    return Parts(source.train.take(train), source.train.take(dev), source.test)


def as_they_are(
    source: Callable[[], Source],
    device: torch.device,
    stored: Learned | None,
    *,
    batch_size: Count | Literal["all"] = 32,
    split: SplitSettings = SplitSettings(),  # noqa: B008
    sampler: SamplerSetting = "shuffled",
) -> InMemory:
    """A set held in memory and divided, whose inputs need no preparation: tokens, or numbers that mean themselves.

    Settings:
        batch_size: how many examples a batch has; all for the whole training set
        split: how the set is divided where it does not come divided
        sampler: in which order examples are seen
    """
    return InMemory(source, device, stored, batch_size=batch_size, standardize=False, split=split, sampler=sampler)
