"""Texts as examples: read as they are written, divided, and kept as numbers of tokens."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor

from nntrain.batch import Batch
from nntrain.data import Given, Learned, Split
from nntrain.data.augmented import Changes
from nntrain.data.division import Stratified
from nntrain.data.lines import Fault, Place, lines
from nntrain.data.split import SplitSettings, divide_all, sampled
from nntrain.data.text import EVALUATION_OUTPUTS, EVALUATION_TOKENS
from nntrain.errors import UnfitError, UserError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.schema import Component
from nntrain.settings import BatchSize, assumed
from nntrain.specs import Labels
from nntrain.tokenizers import Numbers, Vocabulary

PIECE = 1000  # lines of a file that are answered at a time
EMPTY = "there is no text"
PARTS = ("train", "dev", "test")
Reading = Callable[[str], Iterator[tuple[Place, Any] | Fault]]  # of the inputs in a file


@dataclass(frozen=True)
class Texts:
    """Examples as they are written: inputs, targets, and where each stands."""

    inputs: Sequence[Any]
    targets: Sequence[Any]
    places: Sequence[Place]

    @classmethod
    def of(cls, examples: Iterable[tuple[Any, Any, Place]]) -> "Texts":
        """Of an input, a target and a place each."""
        found = list(examples)
        return cls(*([example[i] for example in found] for i in range(3)))

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, numbers: Tensor) -> "Texts":
        return Texts(*([part[i] for i in numbers.tolist()] for part in (self.inputs, self.targets, self.places)))


@dataclass(frozen=True)
class Written:
    """A set as it is written; making it reads nothing.

    `dev` and `test` are there where the set comes with such a part; `given` reads the inputs of another file.
    """

    name: str
    train: Callable[[], Texts]
    dev: Callable[[], Texts] | None = None
    test: Callable[[], Texts] | None = None
    given: Reading = lines


def own_parts(
    name: str, read: Callable[[str], Texts], train: str, dev: str | None, test: str | None, given: Reading
) -> Written:
    """A set in the user's own files: one of the training set, and maybe others for dev and test set."""
    held_out = (None if path is None else partial(read, path) for path in (dev, test))
    return Written(name, partial(read, train), next(held_out), next(held_out), given)


class Coded(Protocol):
    """Examples as numbers."""

    def on(self, device: torch.device) -> "Coded":
        """The same, made ready for batches on a device."""

    def batch(self, numbers: Tensor) -> Batch:
        """Some of the examples, by their numbers on the CPU, padded."""

    @property
    def lengths(self) -> Tensor:
        """How many tokens the inputs of each have."""

    @property
    def labels(self) -> Tensor | None:
        """The class of each; None where the targets are no classes."""


class Codes(Protocol):
    """What was learned of the training set: texts as numbers."""

    @property
    def target(self) -> Vocabulary | None:
        """The vocabulary of targets that are texts."""

    def input(self, text: str) -> Any:
        """A text as inputs are: as it is, or in words."""

    def rows(self, inputs: Sequence[Any]) -> list[Numbers]:
        """The tokens of each input."""

    def coded(self, rows: Sequence[Numbers], texts: Texts | None) -> Any:
        """A `Coded`: tokens with the texts' targets, or with placeholders; UserError for an unknown target."""

    def learned(self, parts: Sequence[Any]) -> Learned:
        """For the checkpoint; `parts` are all the parts of the set, coded."""

    def shown(self, text: Any) -> dict[str, Any]:
        """What is to stand beside the answer to an input."""


class Coding(Protocol):
    """How texts become numbers."""

    def learn(self, train: Texts) -> Codes: ...

    def restore(self, stored: Learned) -> Codes: ...

    def strata(self, texts: Texts) -> Tensor:
        """The group of each example, shared out evenly between the parts of a set."""


class CodedSplit:
    """Some of the coded examples."""

    def __init__(self, coded: Coded, numbers: Tensor, batch_size: int, targets: Labels) -> None:
        self.coded = coded
        self.numbers = numbers
        self.batch_size = batch_size
        self.targets = targets

    def __len__(self) -> int:
        return len(self.numbers)

    def stream(self, plan: Iterable[Sequence[Tensor]]) -> Iterator[list[Batch]]:
        for update in plan:
            yield [self.coded.batch(self.numbers[numbers]) for numbers in update]

    def in_order(self) -> Iterator[Batch]:
        longest = int(self.coded.lengths.max())
        outputs = len(self.targets) * (longest if self.targets.per_position else 1)
        size = min(EVALUATION_TOKENS // longest, EVALUATION_OUTPUTS // outputs)
        yield from map(self.coded.batch, torch.split(self.numbers, max(self.batch_size, size)))

    def sample(self, examples: int, seed: int) -> "CodedSplit":
        if len(self) <= examples:
            return self
        some = sampled(len(self), examples, seed)
        return CodedSplit(self.coded, self.numbers[some], self.batch_size, self.targets)


class TextSet:
    """A set of texts, divided and coded; what coding learns, it learns from the training part alone."""

    def __init__(
        self,
        written: Callable[[], Written],
        coding: Coding,
        device: torch.device,
        stored: Learned | None,
        batch_size: BatchSize,
        split: SplitSettings,
        sampler: Component,
        augment: Sequence[Component],
    ) -> None:
        self._written = written()
        self._coding = coding
        self._device = device
        self._division = split
        self._sampler = sampler
        self.batch_size = assumed(batch_size)
        if stored is None:
            self.codes = coding.learn(self._parts["train"])
            self.learned = self.codes.learned(list(self._coded.values()))
        else:
            self.codes = coding.restore(stored)
            self.learned = stored
        self.inputs, self.targets = self.learned.inputs, self.learned.targets
        self._changes = Changes.of(augment, None, self.inputs, self.targets) if stored is None else Changes()

    @property
    def train(self) -> Split:
        return self._changes.around(self._splits["train"])

    @cached_property
    def sampler(self) -> Sampler:
        coded = self._coded["train"]
        return self._sampler(TrainingSet(len(self.train), self.batch_size, coded.labels, coded.lengths))

    def split(self, name: str) -> Split | None:
        return self.train if name == "train" else self._splits.get(name)

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        for path in paths:
            read = self._written.given(path)
            try:
                while found := list(islice(read, PIECE)):
                    yield from self._pieces(found)
            except (UserError, UnfitError) as error:  # the file is at fault, whichever setting it does not suit
                yield Given(None, [], [str(error)])

    def prompt(self, text: str) -> Iterator[Given]:
        """A text that stands in no file."""
        for given in self._pieces([(Place("the prompt", 1), self.codes.input(text))]):
            yield replace(given, sources=[{"prompt": text} for _ in given.sources])

    @property
    def target_vocabulary(self) -> Vocabulary | None:
        """That of targets that are texts."""
        return self.codes.target

    def describe(self) -> dict[str, Any]:
        sizes = {name: len(part) for name, part in self._splits.items() if name != "test"}
        return {"inputs": str(self.inputs), "targets": str(self.targets), "examples": sizes}

    @cached_property
    def _parts(self) -> dict[str, Texts]:
        return divided(self._written, self._coding, self._division)

    @cached_property
    def _coded(self) -> dict[str, Any]:
        return {name: self._encode(texts).on(self._device) for name, texts in self._parts.items()}

    @cached_property
    def _splits(self) -> dict[str, CodedSplit]:
        return {name: self._split(coded) for name, coded in self._coded.items()}

    def _encode(self, texts: Texts) -> Coded:
        rows = self.codes.rows(texts.inputs)
        for row, place in zip(rows, texts.places, strict=True):
            if not len(row):
                raise UserError(str(Fault(place, EMPTY)))
        return self.codes.coded(rows, texts)

    def _pieces(self, found: Sequence[tuple[Place, Any] | Fault]) -> Iterator[Given]:
        """Examples, and what could not be read.

        One that is longer than any of the training is a piece by itself, since not every model takes it.
        """
        faults = [line for line in found if isinstance(line, Fault)]
        read = [line for line in found if not isinstance(line, Fault)]
        rows = self.codes.rows([text for _, text in read])
        faults += [Fault(place, EMPTY) for row, (place, _) in zip(rows, read, strict=True) if not len(row)]
        yield Given(None, [], [str(fault) for fault in sorted(faults, key=lambda fault: fault.place.row)])
        usual = self.inputs.shape[0]
        piece: list[tuple[Numbers, dict[str, Any]]] = []
        for row, (place, text) in zip(rows, read, strict=True):
            if not len(row):
                continue
            is_long = len(row) > usual
            if piece and is_long:
                yield self._given(piece)
                piece = []
            piece.append((row, {**place._asdict(), **self.codes.shown(text)}))
            if is_long:
                yield self._given(piece)
                piece = []
        if piece:
            yield self._given(piece)

    def _given(self, piece: Sequence[tuple[Numbers, dict[str, Any]]]) -> Given:
        coded = self.codes.coded([row for row, _ in piece], None)
        return Given(self._split(coded.on(self._device)), [source for _, source in piece])

    def _split(self, coded: Coded) -> CodedSplit:
        assert isinstance(self.targets, Labels)
        return CodedSplit(coded, torch.arange(len(coded.lengths)), self.batch_size, self.targets)


def divided(written: Written, coding: Coding, split: SplitSettings) -> dict[str, Texts]:
    """The parts of a set that have examples; dev and test parts of its own are kept."""
    own = {name: part for name, part in (("dev", written.dev), ("test", written.test)) if part is not None}
    train = written.train()
    numbers = divide_all(Stratified(coding.strata(train)), split, written.name, own)
    parts = {name: train.take(some) for name, some in zip(PARTS, numbers, strict=True)}
    parts |= {name: part() for name, part in own.items()}
    return {name: texts for name, texts in parts.items() if len(texts)}
