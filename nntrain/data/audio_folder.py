"""The user's own recordings, with a class each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nntrain.data import Learned, recordings
from nntrain.data.class_folders import Labelled, classes_of, labelled_files, numbers_of
from nntrain.data.in_memory import Examples, Source
from nntrain.data.own_files import FromFiles
from nntrain.data.plain_files import Piece
from nntrain.data.recordings import KIND, SUFFIXES, if_any
from nntrain.data.sound import Reading
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Series


@data("audio_folder", within=FromFiles)
class AudioFolder:
    """Your own recordings (WAV files): a folder for each class (yes/1.wav, no/7.wav ...), or a table of labels.

    x_tk = ln(sum_f M_kf |STFT_tf|^2 + 1e-8), windows of 25 ms every 10 ms, M_k 40 triangles at equal distances on
    the mel scale, m = 2595 log10(1 + f / 700 Hz)

    Folders train, dev (or val, valid) and test above those of the classes make official parts. Several channels
    become their mean; all recordings are to have the same rate. A label for each frame: audio_segments.
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
        found = labelled_files(self._path, self._labels, SUFFIXES, KIND)
        classes = classes_of(found, self._path) if stored is None else stored.targets
        assert isinstance(classes, Classes)
        series, rate = recordings.all_series([one.file for one in found], self._read, stored)
        parts = {part: _examples(found, series, classes, part) for part in ("train", "dev", "test")}
        dev, test = (if_any(parts[part]) for part in ("dev", "test"))
        inputs = Series(series[0].shape[1], max(map(len, series)))
        return Source("audio_folder", inputs, classes, parts["train"], test, dev=dev, facts={"rate": rate})

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        return recordings.given(paths, self._read, learned)


def _examples(found: Sequence[Labelled], series: Sequence[Tensor], classes: Classes, part: str) -> Examples:
    """The recordings of a part, padded."""
    chosen = [(labelled, frames) for labelled, frames in zip(found, series, strict=True) if labelled.part == part]
    numbers = numbers_of([labelled for labelled, _ in chosen], classes)
    inputs = recordings.padded([frames for _, frames in chosen])
    return Examples(inputs, torch.tensor(numbers, dtype=torch.long))
