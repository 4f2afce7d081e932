"""Recordings as series: WAV files read, log-mel energies computed."""

import math
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

WINDOW, STEP = 0.025, 0.010  # seconds
LOWEST_RATE, HIGHEST_RATE = 100, 1_000_000  # samples a second
BANDS = 40
QUIET = 1e-8  # the energy that silence counts as, near that of a sample's last bit

Reading = Literal["log_mel", "wave"]


class BrokenSoundError(Exception):
    """A file that is no whole recording."""


@dataclass(frozen=True)
class Recording:
    """Samples from -1 to 1 (time,), so many a second; of several channels their mean."""

    samples: Tensor
    rate: int


def read(file: Path) -> Recording:
    """A WAV file of 8, 16, 24 or 32 bits; BrokenSoundError for anything else."""
    try:
        with wave.open(str(file)) as opened:
            channels, width, rate = opened.getnchannels(), opened.getsampwidth(), opened.getframerate()
            frames = opened.getnframes()
            content = opened.readframes(frames)
    except OSError as error:
        raise BrokenSoundError(error.strerror or str(error)) from None
    except (EOFError, wave.Error) as error:
        raise BrokenSoundError(str(error) or "it ends too early") from None
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BrokenSoundError(f"it says that it has {rate:,} samples a second")
    if frames == 0 or len(content) < frames * channels * width:
        raise BrokenSoundError(f"{len(content)} of {frames * channels * width} bytes are there")
    return Recording(_numbers(content, width).view(-1, channels).mean(dim=1), rate)


def _numbers(content: bytes, width: int) -> Tensor:
    """Whole numbers of so many bytes as numbers from -1 to 1; those of one byte have no sign."""
    if width == 1:
        return (torch.from_numpy(np.frombuffer(content, np.uint8).astype(np.float32)) - 128) / 128
    if width == 3:  # each a number of four bytes whose first is 0
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        content, width = padded.tobytes(), 4
    numbers = np.frombuffer(content, "<i2" if width == 2 else "<i4")
    return torch.from_numpy((numbers / float(2 ** (8 * width - 1))).astype(np.float32))


def frames(recording: Recording, how: Reading) -> Tensor:
    """Log-mel energies (time, bands), or samples (time, 1)."""
    return log_mel(recording.samples, recording.rate) if how == "log_mel" else recording.samples.unsqueeze(1)


def moments(count: int, rate: int, how: Reading) -> Tensor:
    """The second that the middle of each of `count` frames stands at, or each sample."""
    if how == "wave":
        return torch.arange(count) / rate
    window, step = round(WINDOW * rate), round(STEP * rate)
    return (torch.arange(count) * step + _points(window) / 2) / rate


def _points(window: int) -> int:
    """Of the Fourier transform: the power of 2 that holds a window, which stands in its middle."""
    return 1 << (window - 1).bit_length()


def log_mel(samples: Tensor, rate: int) -> Tensor:
    """x_tk = ln(sum_f M_kf |STFT_tf|^2 + 1e-8), windows of 25 ms every 10 ms; (time, bands)."""
    window, step = round(WINDOW * rate), round(STEP * rate)
    points = _points(window)
    if len(samples) < points:
        samples = torch.nn.functional.pad(samples, (0, points - len(samples)))
    spectrum = torch.stft(samples, points, step, window, torch.hann_window(window), center=False, return_complex=True)
    return torch.log(spectrum.abs().square().T @ mel_bands(rate, points) + QUIET)


def mel_bands(rate: int, points: int) -> Tensor:
    """The weight of each frequency in each band (frequencies, bands): triangles from 0 Hz to half the rate.

    They are at equal distances on the mel scale, m = 2595 log10(1 + f / 700 Hz).
    """
    highest = 2595 * math.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, highest, BANDS + 2) / 2595) - 1)
    low, top, high = corners[:-2], corners[1:-1], corners[2:]
    frequency = torch.linspace(0, rate / 2, points // 2 + 1).unsqueeze(1)
    return torch.minimum((frequency - low) / (top - low), (high - frequency) / (high - top)).clamp(min=0)
