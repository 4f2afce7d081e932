"""The user's own recordings, with a class each."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.data import Learned, sound
from nntrain.data.class_folders import Labelled, classes_of, labelled_files, named, numbers_of
from nntrain.data.in_memory import Examples, Source
from nntrain.data.own_files import FromFiles
from nntrain.data.plain_files import Piece
from nntrain.data.sound import BrokenSoundError, Reading
from nntrain.errors import UnfitError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Series

SUFFIXES = frozenset((".wav", ".wave"))
PIECE = 64  # recordings that are read before their answers are given


@data("audio_folder", within=FromFiles)
class AudioFolder:
    """Your own recordings (WAV files): a folder for each class (yes/1.wav, no/7.wav ...), or a table of labels.

    x_tk = ln(sum_f M_kf |STFT_tf|^2 + 1e-8), windows of 25 ms every 10 ms, M_k 40 triangles at equal distances on
    the mel scale, m = 2595 log10(1 + f / 700 Hz)

    Folders train, dev (or val, valid) and test above those of the classes make official parts. Several channels
    become their mean; all recordings are to have the same rate.
    Source: Davis, Mermelstein, Comparison of parametric representations for monosyllabic word recognition, 1980.

    Settings:
        path: the folder
        labels: a CSV file with the columns file (relative to path) and label, in place of a folder for each class;
            a third column part says train, dev or test
        read: log_mel for x_t as above; wave for one sample a step, from -1 to 1
    """

    def __init__(self, *, path: PathText, labels: PathText | None = None, read: Reading = "log_mel") -> None:
        self._path = Path(path)
        self._labels = Path(labels) if labels else None
        self._read = read

    def read(self, stored: Learned | None) -> Source:
        found = labelled_files(self._path, self._labels, SUFFIXES, "recordings")
        classes = classes_of(found, self._path) if stored is None else stored.targets
        assert isinstance(classes, Classes)
        series, rate = self._series([file for file, _, _ in found], None if stored is None else stored.facts["rate"])
        parts = {part: _examples(found, series, classes, part) for part in ("train", "dev", "test")}
        dev, test = (_if_any(parts[part]) for part in ("dev", "test"))
        inputs = Series(series[0].shape[1], max(map(len, series)))
        return Source("audio_folder", inputs, classes, parts["train"], test, dev=dev, facts={"rate": rate})

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        files = (file for path in paths for file in named(Path(path), SUFFIXES, "recordings"))
        while some := list(islice(files, PIECE)):
            whole: dict[str, Tensor] = {}
            failures: list[str] = []
            for file in some:
                try:
                    whole[str(file)], _ = self._one(file, learned.facts["rate"])
                except BrokenSoundError as error:
                    failures.append(f"{file}: {error}")
            inputs = _padded(list(whole.values())) if whole else None
            yield Piece(inputs, [{"file": file} for file in whole], failures)

    def _series(self, files: Sequence[Path], rate: int | None) -> tuple[list[Tensor], int | None]:
        """Each recording's frames, and the rate of all."""
        series: list[Tensor] = []
        for file in files:
            try:
                frames, rate = self._one(file, rate)
            except BrokenSoundError as error:
                raise UnfitError(f"{file}: {error}", "path") from None
            series.append(frames)
        return series, rate

    def _one(self, file: Path, rate: int | None) -> tuple[Tensor, int]:
        """A recording's frames, and its rate; BrokenSoundError where that is not the one of the others."""
        try:
            recording = sound.read(file)
        except BrokenSoundError as error:
            raise BrokenSoundError(f"not a whole recording: {error}") from None
        if rate is not None and recording.rate != rate:
            raise BrokenSoundError(f"{recording.rate} samples a second, where the others have {rate}; resample it")
        return sound.frames(recording, self._read), recording.rate


def _examples(found: Sequence[Labelled], series: Sequence[Tensor], classes: Classes, part: str) -> Examples:
    """The recordings of a part, padded."""
    chosen = [(labelled, frames) for labelled, frames in zip(found, series, strict=True) if labelled[2] == part]
    numbers = numbers_of([labelled for labelled, _ in chosen], classes)
    return Examples(_padded([frames for _, frames in chosen]), torch.tensor(numbers, dtype=torch.long))


def _if_any(examples: Examples) -> Callable[[], Examples] | None:
    return (lambda: examples) if len(examples) else None


def _padded(series: Sequence[Tensor]) -> Sequences:
    lengths = torch.tensor([len(frames) for frames in series])
    values = torch.nn.utils.rnn.pad_sequence(list(series), batch_first=True) if series else torch.zeros(0, 1, 1)
    return Sequences(values, lengths)
