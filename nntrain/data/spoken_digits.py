"""Spoken digits: recordings as series of log-mel energies, or of samples."""

from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from nntrain.batch import Sequences
from nntrain.data import sound
from nntrain.data.in_memory import Examples, InMemory, Source
from nntrain.data.public_files import archived, found_or_made, write_checked
from nntrain.data.sound import Reading
from nntrain.errors import UserError
from nntrain.registry import data
from nntrain.settings import PathText
from nntrain.specs import Classes, Series

RATE = 8000  # samples a second
WINDOW = 256
TESTED = 5  # recordings 0 to 4 of each digit by each speaker
Speaker = Literal["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
SPEAKERS: tuple[str, ...] = get_args(Speaker)
FILES = tuple(sorted(f"{digit}_{speaker}_{i}.wav" for digit in range(10) for speaker in SPEAKERS for i in range(50)))
COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
URL = f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.zip"
GIT_ID = "1e9be612e4e95f651bc1d712afa0e6c68599b180"  # of the recordings' ids, one after the other


@data("spoken_digits", within=InMemory)
def spoken_digits(*, root: PathText | None = None, read: Reading = "log_mel", tested: Speaker | None = None) -> Source:
    """3,000 recordings of ten digits by six speakers, 0.1 to 2.3 s long, at 8 kHz; 300 are the official test set.

    x_tk = ln(sum_f M_kf |STFT_tf|^2 + 1e-8), windows of 25 ms every 10 ms, M_k 40 triangles at equal distances on
    the mel scale, m = 2595 log10(1 + f / 700 Hz)

    Source: Z. Jackson et al., Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset;
    Davis, Mermelstein, Comparison of parametric representations for monosyllabic word recognition, 1980.

    Settings:
        root: the folder that holds fsdd/recordings; left out, $NNTRAIN_DATA, else it is downloaded (16 MB)
        read: log_mel for x_t as above; wave for one sample a step, from -1 to 1
        tested: the speaker all of whose recordings are the test set, so that nothing is known of that voice; left
            out, it is the official one, of all speakers
    """
    folder = found_or_made("spoken_digits", "fsdd/recordings", FILES, lambda: "16 MB", _download, root)
    files = [folder / name for name in FILES]
    train, test = (
        _examples([file for file in files if _is_tested(file, tested) is part], read) for part in (False, True)
    )
    length = max(part.inputs.values.shape[1] for part in (train, test))
    inputs = Series(train.inputs.values.shape[2], length)
    return Source("spoken_digits", inputs, Classes(tuple(map(str, range(10)))), train, lambda: test)


def _is_tested(file: Path, speaker: str | None) -> bool:
    _, its, number = file.stem.split("_")
    return int(number) < TESTED if speaker is None else its == speaker


def _download(folder: Path) -> None:
    """Writes the recordings, which come as one archive and are checked together."""
    contents = archived(URL, {file: f"/recordings/{file}" for file in FILES})
    write_checked(folder, contents, GIT_ID, URL)


def _examples(files: list[Path], read: Reading) -> Examples:
    frames = [_frames(file, read) for file in files]
    lengths = torch.tensor([len(frame) for frame in frames])
    values = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True)
    return Examples(Sequences(values, lengths), torch.tensor([int(file.stem[0]) for file in files]))


def _frames(file: Path, read: Reading) -> Tensor:
    try:
        recording = sound.read(file)
    except sound.BrokenSoundError as error:
        raise UserError(f"{file}: not a whole recording ({error}); remove it and fetch it again") from None
    if recording.rate != RATE or len(recording.samples) < WINDOW:
        raise UserError(f"{file}: expected a recording at {RATE} Hz, at least {WINDOW} samples long")
    return sound.frames(recording, read)
