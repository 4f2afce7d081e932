"""Sets of picture files: measured, divided, kept where they fit, prepared batch by batch."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from nntrain.batch import count, each
from nntrain.data import Given, Learned, Split, check_alike, plain_files, preparation
from nntrain.data.answers import Answers, Held, MaskFiles
from nntrain.data.augmented import Changes
from nntrain.data.class_folders import Part
from nntrain.data.image_files import Decode, decode
from nntrain.data.image_split import ImageSplit
from nntrain.data.in_memory import Examples, Source
from nntrain.data.preparation import Preparation
from nntrain.data.split import SplitSettings, sampled
from nntrain.data.tensor_split import TensorSplit
from nntrain.data.undivided import Parts
from nntrain.data.unread import HINT, Drawn, Unread
from nntrain.errors import UnfitError
from nntrain.samplers import Sampler, TrainingSet
from nntrain.settings import Augmentation, BatchSize, Mixture, Scaling, Share, Storage, assumed
from nntrain.settings import Sampler as SamplerSetting
from nntrain.specs import Classes, Image, Mask, Targets
from nntrain.storages import Kept, Pictures

SAMPLE = 4096  # training pictures that mean and deviation are taken of
EVALUATION_BYTES = 16 << 20  # of float32 pixels in a batch of evaluation
NAMED = 5  # broken files that are named one by one


@dataclass(frozen=True)
class Listing:
    """Picture files with their targets (files, ...), or with as many files of masks, and their official parts.

    broken: files that are left out, since they have no header of a picture, with the reason; decode: what makes a file
    as large as `size`; facts: what is to be known besides to read more of such files
    """

    name: str
    files: Sequence[Path]
    targets: Any  # a tensor, a named tuple of some, or Pictures
    described: Targets
    parts: Sequence[Part]
    size: Image
    broken: Mapping[str, str] = field(default_factory=dict)
    decode: Decode = decode
    facts: Mapping[str, Any] = field(default_factory=dict)


class PictureFiles(Protocol):
    """Where a set's pictures lie; making it reads nothing."""

    def listing(self, stored: Learned | None) -> Listing:
        """All files, with the targets' description and the size of a checkpoint, or those of the training set."""


class FromPictures:
    """A set of picture files, each with a class, or with other targets.

    What prepares the pixels, numbers from 0 to 1, such as the mean and deviation of each channel, is learned of (at
    most 4,096 of) the training set, and travels in the checkpoint. Pixels are augmented before they are prepared.

    Settings:
        batch_size: how many examples a batch has; auto for as many as are fast here
        standardize: whether each channel is standardised, true for mean 0 and deviation 1; or another scaling
        split: how the set is divided where it does not come divided
        keep: where the pictures are kept
        broken: the share of the files that may be no whole pictures; they are named and left out
        augment: random changes of training pictures, one after the other
        mix: how training examples are mixed with each other
        sampler: in which order pictures are seen
    """

    def __init__(
        self,
        pictures: Callable[[], PictureFiles],
        device: torch.device,
        stored: Learned | None,
        *,
        batch_size: BatchSize = 32,
        standardize: bool | Scaling = True,
        split: SplitSettings = SplitSettings(),  # noqa: B008
        keep: Storage = "auto",
        broken: Share = 0.01,
        augment: list[Augmentation] = [],  # noqa: B006
        mix: Mixture | None = None,
        sampler: SamplerSetting = "shuffled",
    ) -> None:
        self._pictures = pictures()
        self._device = device
        self._division = split
        self._keep = keep
        self._sampler = sampler
        self._most_broken = broken
        self._standardize = standardize
        self._stored = stored
        self.batch_size = assumed(batch_size)
        self.unread = Unread(lambda: len(self._parts.train()), HINT)
        self.learned = self._learn() if stored is None else preparation.checked(stored, standardize)
        self._prepare = Preparation.of(standardize, self.learned)
        self.inputs, self.targets = self.learned.inputs, self.learned.targets
        self._changes = Changes.of(augment, mix, self.inputs, self.targets) if stored is None else Changes()

    @property
    def train(self) -> Split:
        train, prepare = self._parts.train(), self._prepare
        if not self._changes.augmentations:
            return self._changes.around(self._split(train, prepare, self.unread))
        split = self._split(train, prepare.without_scaling(), self.unread)
        return self._changes.around(split, prepare.on(self._device))

    @property
    def faster(self) -> str:
        """What to set where training waits for the pictures; empty where there is nothing."""
        return self._kept.faster

    @cached_property
    def sampler(self) -> Sampler:
        train = self._parts.train()
        labels = train.targets if isinstance(self.targets, Classes) else None
        return self._sampler(TrainingSet(len(train), self.batch_size, labels))

    def split(self, name: str) -> Split | None:
        if name == "train":
            return self.train
        examples = self._parts.dev() if name == "dev" else self._parts.test()
        return self._split(examples, self._prepare, None) if len(examples) else None

    def given(self, paths: Sequence[str]) -> Iterator[Given]:
        for piece in plain_files.read(self.inputs, self.targets, paths):
            if piece.inputs is None:
                yield Given(None, piece.sources, piece.failures)
                continue
            inputs = self._prepare(piece.inputs).to(self._device)
            targets = each(lambda part: part.to(self._device), plain_files.targets_of(piece, self.targets, inputs))
            yield Given(TensorSplit(inputs, targets, count(targets)), piece.sources, piece.failures)

    @property
    def is_read_anew(self) -> bool:
        """Whether pictures are read again whenever they are needed."""
        return self._kept.is_read_anew

    def describe(self) -> dict[str, Any]:
        parts = {"train": self._parts.train(), "dev": self._parts.dev()}
        sizes = {name: len(part) for name, part in parts.items() if len(part)}
        described = {"inputs": str(self.inputs), "targets": str(self.targets), "examples": sizes}
        return {**described, "kept": self._kept.where}

    @cached_property
    def _listing(self) -> Listing:
        listing = self._pictures.listing(self._stored)
        if self._stored is not None:
            check_alike(listing.name, self._stored, listing.size, listing.described)
        return listing

    @cached_property
    def _kept(self) -> Kept:
        listing = self._listing
        kept: Kept = self._keep()(Pictures(listing.files, listing.size, listing.decode), self._device)
        if self._stored is None:
            print(f"{len(listing.files):,} pictures are kept {kept.where}", file=sys.stderr)
        return kept

    @cached_property
    def _answers(self) -> Answers:
        """The targets of the files; masks are kept where the pictures are."""
        targets, described = self._listing.targets, self._listing.described
        if not isinstance(targets, Pictures):
            return Held(targets, described, self._device)
        assert isinstance(described, Mask)
        return MaskFiles(self._keep()(targets, self._device), described, self._device, self.unread)

    @cached_property
    def _broken(self) -> set[int]:
        """The numbers of the files that are no whole pictures, or have no whole mask; they are named."""
        listing, pictures, answers = self._listing, self._kept.broken, self._answers.broken
        named = [(listing.files[i], why) for i, why in pictures.items()]
        if isinstance(listing.targets, Pictures):
            named += [(listing.targets.files[i], why) for i, why in answers.items()]
        broken = {**listing.broken, **{str(file): why for file, why in named}}
        complain(broken, len(listing.files) + len(listing.broken), self._most_broken)
        return {*pictures, *answers}

    @cached_property
    def _parts(self) -> Parts:
        """The numbers of the whole pictures of each part, as examples."""
        listing, broken = self._listing, self._broken
        whole = [(part, i) for i, part in enumerate(listing.parts) if i not in broken]
        examples = {name: self._numbered([i for part, i in whole if part == name]) for name in ("train", "dev", "test")}
        own = {name: partial(examples.__getitem__, name) if len(examples[name]) else None for name in ("dev", "test")}
        source = Source(listing.name, listing.size, listing.described, examples["train"], own["test"], dev=own["dev"])
        return source.parts(self._division)

    def _numbered(self, numbers: list[int]) -> Examples:
        rows = torch.tensor(numbers, dtype=torch.long)
        return Examples(rows, self._answers.at_hand(rows))

    def _learn(self) -> Learned:
        listing, train = self._listing, self._parts.train()
        some = train.inputs[sampled(len(train), SAMPLE, 0)] if len(train) > SAMPLE else train.inputs
        known = some if isinstance(listing.targets, Pictures) else train.inputs
        found = Learned(listing.size, self._answers.described(known), facts=listing.facts)
        if self._standardize is False:  # then none is to be decoded
            return preparation.with_scaling(found, False, torch.empty(0, 1), 1.0)
        pixels = torch.cat([self._whole(drawn) for drawn in self._kept.batches(torch.split(some, 256))])
        return preparation.with_scaling(found, self._standardize, pixels.cpu(), 1 / 255)

    def _whole(self, drawn: Drawn) -> Tensor:
        """What could be read of some training pictures."""
        self.unread.note(drawn.broken)
        rows = [row for row in range(len(drawn.content)) if row not in drawn.broken]
        pixels: Tensor = drawn.content[rows] if drawn.broken else drawn.content
        return pixels

    def _split(self, examples: Examples, prepare: Preparation, unread: Unread | None) -> ImageSplit:
        """Examples on the device, prepared."""
        channels, height, width = self._listing.size.shape
        size = max(1, EVALUATION_BYTES // (4 * channels * height * width))
        on_device = prepare.on(self._device)

        def ready(pixels: Tensor) -> Tensor:
            prepared: Tensor = on_device(pixels.to(self._device, non_blocking=True), 1 / 255)
            return prepared

        return ImageSplit(self._kept, self._answers, examples.inputs, ready, size, unread or Unread(lambda: 0))


def complain(broken: Mapping[str, str], files: int, most: float) -> None:
    """Names files that are no whole pictures; UnfitError where they are too many."""
    if not broken:
        return
    named = "; ".join(f"{file}: {reason}" for file, reason in list(broken.items())[:NAMED])
    more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    if len(broken) > most * files:
        raise UnfitError(
            f"{len(broken)} of {files} files are no whole pictures, more than the share of {most:g} that may be: "
            f"{named}{more}",
            "broken",
        )
    print(f"left out, since they are no whole pictures: {named}{more}", file=sys.stderr)
