"""The user's own recordings as series, all at one rate."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.data import Learned, sound
from nntrain.data.class_folders import named
from nntrain.data.in_memory import Examples
from nntrain.data.plain_files import Piece
from nntrain.data.sound import BrokenSoundError, Reading
from nntrain.errors import UnfitError

SUFFIXES = frozenset((".wav", ".wave"))
KIND = "recordings"
PIECE = 64  # that are read before their answers are given


def all_series(files: Sequence[Path], how: Reading, stored: Learned | None) -> tuple[list[Tensor], int]:
    """Each recording's frames, and the rate of all, which is a checkpoint's where there is one."""
    rate: int | None = None if stored is None else stored.facts["rate"]
    series: list[Tensor] = []
    for file in files:
        try:
            frames, rate = _series(file, how, rate)
        except BrokenSoundError as error:
            raise UnfitError(f"{file}: {error}", "path") from None
        series.append(frames)
    if rate is None:
        raise UnfitError("there are no recordings", "path")
    return series, rate


def given(paths: Sequence[str], how: Reading, learned: Learned) -> Iterator[Piece]:
    """The recordings in files and folders; those that cannot be read are named."""
    files, empty = named(paths, SUFFIXES, KIND)
    if empty:
        yield Piece(None, [], empty)
    rest = iter(files)
    while some := list(islice(rest, PIECE)):
        whole: dict[str, Tensor] = {}
        failures: list[str] = []
        for file in some:
            try:
                whole[str(file)], _ = _series(file, how, learned.facts["rate"])
            except BrokenSoundError as error:
                failures.append(f"{file}: {error}")
        inputs = padded(list(whole.values())) if whole else None
        yield Piece(inputs, [{"file": file} for file in whole], failures)


def padded(series: Sequence[Tensor]) -> Sequences:
    lengths = torch.tensor([len(frames) for frames in series])
    values = torch.nn.utils.rnn.pad_sequence(list(series), batch_first=True) if series else torch.zeros(0, 1, 1)
    return Sequences(values, lengths)


def if_any(examples: Examples) -> Callable[[], Examples] | None:
    """A part that a set has of its own, None where it has none."""
    return (lambda: examples) if len(examples) else None


def _series(file: Path, how: Reading, rate: int | None) -> tuple[Tensor, int]:
    """A recording's frames, and its rate; BrokenSoundError where that is not the one of the others."""
    try:
        recording = sound.read(file)
    except BrokenSoundError as error:
        raise BrokenSoundError(f"not a whole recording: {error}") from None
    if rate is not None and recording.rate != rate:
        raise BrokenSoundError(f"{recording.rate} samples a second, where the others have {rate}; resample it")
    return sound.frames(recording, how), recording.rate
