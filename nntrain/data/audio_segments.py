"""The user's own recordings, with a label for each moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from nntrain.batch import IGNORED
from nntrain.data import Learned, recordings, sound
from nntrain.data.class_folders import Part, part_of
from nntrain.data.column_types import number
from nntrain.data.in_memory import Examples, Source
from nntrain.data.label_table import Entry, entries
from nntrain.data.lines import Place
from nntrain.data.own_files import FromFiles
from nntrain.data.plain_files import Piece
from nntrain.data.recordings import if_any
from nntrain.data.sound import Reading
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Series, Tags


@dataclass(frozen=True)
class Segment:
    """What is heard from one second to another, and where that is said."""

    start: float
    end: float
    label: str
    place: Place


@dataclass(frozen=True)
class Labelled:
    """A recording with its segments in the order of time."""

    file: Path
    part: Part
    segments: Sequence[Segment]


@data("audio_segments", within=FromFiles)
class AudioSegments:
    """Your own recordings (WAV files), with a label for each frame: speech sounds, speakers, bird calls.

    y_t = the label of the segment that the middle of frame t lies in, start <= time < end

    A table says which segments there are, a row for each: file,start,end,label, times in seconds. Frames in none count
    neither in training nor in measures. Recordings are read as by audio_folder; all are to have the same rate.
    Source: own; segments as in the label files of TIMIT (Garofolo et al. 1993) and of Audacity.

    Settings:
        path: the folder of the recordings
        labels: a CSV file with the columns file (relative to path), start, end and label; a further column part says
            train, dev or test, the same in all rows of a file
        rest: the label of frames that are in no segment, where these are to be learned too
        read: log_mel for frames as audio_folder has them; wave for one sample a step, from -1 to 1
    """

    def __init__(self, *, path: PathText, labels: PathText, rest: str | None = None, read: Reading = "log_mel") -> None:
        self._path = Path(path)
        self._labels = Path(labels)
        self._rest = rest
        self._read = read

    def read(self, stored: Learned | None) -> Source:
        if not self._path.is_dir():
            raise UnfitError(f"there is no folder {self._path}", "path")
        found = _by_file(entries(self._labels, self._path, ("start", "end", "label"), ("part",)))
        series, rate = recordings.all_series([one.file for one in found], self._read, stored)
        targets = Tags(self._names(found), max(map(len, series))) if stored is None else stored.targets
        assert isinstance(targets, Tags)
        numbers = {name: i for i, name in enumerate(targets.names)}
        tags = [self._tags(one, len(frames), rate, numbers) for one, frames in zip(found, series, strict=True)]
        parts = {part: _examples(found, series, tags, part) for part in ("train", "dev", "test")}
        dev, test = (if_any(parts[part]) for part in ("dev", "test"))
        inputs = Series(series[0].shape[1], max(map(len, series)))
        return Source("audio_segments", inputs, targets, parts["train"], test, dev=dev, facts={"rate": rate})

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        return recordings.given(paths, self._read, learned)

    def _names(self, found: Sequence[Labelled]) -> tuple[str, ...]:
        """The labels of the training part."""
        names = {segment.label for one in found if one.part == "train" for segment in one.segments}
        if self._rest is not None:
            names.add(self._rest)
        if len(names) < 2:
            only = f"only the label '{next(iter(names))}'" if names else "nothing for training"
            raise UnfitError(f"{self._labels} holds {only}; there are to be two or more", "labels")
        return tuple(sorted(names))

    def _tags(self, one: Labelled, frames: int, rate: int, numbers: Mapping[str, int]) -> Tensor:
        """The number of the label at each frame."""
        moments = sound.moments(frames, rate, self._read)
        tags = torch.full((frames,), IGNORED if self._rest is None else numbers[self._rest])
        for segment in one.segments:
            if segment.label not in numbers:
                known = ", ".join(numbers)
                raise UnfitError(
                    f"{segment.place}: the label '{segment.label}' is not in the training set, which has {known}",
                    "labels",
                )
            if segment.start > float(moments[-1]) + 2 * sound.WINDOW:
                where = f"{segment.place}: it begins at {segment.start:g} s"
                raise UnfitError(f"{where}, after {one.file} has ended at about {float(moments[-1]):.2f} s", "labels")
            tags[(moments >= segment.start) & (moments < segment.end)] = numbers[segment.label]
        return tags


def _by_file(rows: Iterator[Entry]) -> list[Labelled]:
    """The recordings with their segments; UnfitError, with the row, where these are in each other's way."""
    segments: dict[Path, list[Segment]] = {}
    parts: dict[Path, Part] = {}
    for entry in rows:
        part = part_of(entry.says, entry.place)
        if parts.setdefault(entry.file, part) != part:
            raise UnfitError(f"{entry.place}: the part {part} here, and {parts[entry.file]} above", "labels")
        segments.setdefault(entry.file, []).append(_segment(entry))
    found = []
    for file, own in segments.items():
        ordered = sorted(own, key=lambda segment: segment.start)
        for before, after in pairwise(ordered):
            if after.start < before.end:
                raise UnfitError(f"{after.place}: it begins before the one of row {before.place.row} ends", "labels")
        found.append(Labelled(file, parts[file], ordered))
    return found


def _segment(entry: Entry) -> Segment:
    start, end = (_seconds(entry, name) for name in ("start", "end"))
    if not 0 <= start < end:
        raise UnfitError(f"{entry.place}: expected 0 <= start < end, found {start:g} and {end:g}", "labels")
    return Segment(start, end, entry.says["label"], entry.place)


def _seconds(entry: Entry, name: str) -> float:
    value = number(entry.says[name], ".")
    if value is None:
        raise UnfitError(f"{entry.place}: {name}: '{entry.says[name]}' is not a number of seconds", "labels")
    return value


def _examples(found: Sequence[Labelled], series: Sequence[Tensor], tags: Sequence[Tensor], part: str) -> Examples:
    """The recordings of a part, padded, and their tags."""
    chosen = [i for i, one in enumerate(found) if one.part == part]
    inputs = recordings.padded([series[i] for i in chosen])
    known = [tags[i] for i in chosen]
    padded = (
        torch.nn.utils.rnn.pad_sequence(known, batch_first=True, padding_value=IGNORED) if known else torch.zeros(0, 1)
    )
    return Examples(inputs, padded.long())
