"""The user's own recordings: read, trained on and applied, by the command line."""

import json
import math
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nntrain.data import sound
from nntrain.data.sound import BrokenSoundError

Command = Callable[..., Any]
RATE = 8000


def record(
    path: Path, pitch: float, seconds: float = 0.1, *, rate: int = RATE, width: int = 2, channels: int = 1
) -> None:
    """A tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = np.sin(2 * math.pi * pitch * np.arange(int(seconds * rate)) / rate) * 0.5
    steps = 2 ** (8 * width - 1)
    numbers = np.round(tone * (steps - 1)).astype(np.int64) + (128 if width == 1 else 0)
    content = b"".join(int(n).to_bytes(width, "little", signed=width > 1) * channels for n in numbers)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Low and high tones of different lengths, 15 of each."""
    for name, pitch in (("low", 300), ("high", 2000)):
        for i in range(15):
            record(tmp_path / "tones" / name / f"{i}.wav", pitch + 10 * i, 0.06 + 0.004 * i)
    return tmp_path / "tones"


CONFIG = """
data: {type: audio_folder, path: tones, batch_size: 5}
model: {type: gru, hidden: 8}
trainer: {length: 15 epochs, threads: 1}
"""


def test_trained_measured_and_applied_after_the_recordings_are_gone(
    command: Command, write: Callable[..., Path], recordings: Path, tmp_path: Path
) -> None:
    fitted = command("fit", write(CONFIG), "--json").json
    assert fitted["best"]["metrics"]["error_rate"] == 0
    assert command("eval", fitted["run"], "--split", "test", "--json").json["metrics"]["accuracy"] == 1
    shutil.copy(fitted["best"]["checkpoint"], tmp_path / "model.safetensors")
    shutil.rmtree(recordings)
    record(tmp_path / "new" / "a.wav", 310)
    record(tmp_path / "new" / "b.wav", 2050, channels=2)
    (tmp_path / "new" / "c.wav").write_bytes(b"")
    record(tmp_path / "new" / "d.wav", 300, rate=16000)
    said = command("predict", tmp_path / "model.safetensors", tmp_path / "new")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert said.status == 1
    assert [(Path(row["file"]).name, row["class"]) for row in rows] == [("a.wav", "low"), ("b.wav", "high")]
    assert "c.wav: not a whole recording" in said.err
    assert "d.wav: 16000 samples a second, where the others have 8000" in said.err


@pytest.mark.parametrize("read", ["log_mel", "wave"])
def test_what_is_read(command: Command, write: Callable[..., Path], recordings: Path, read: str) -> None:
    facts = command("data", write(CONFIG), f"data.read={read}", "--json").json
    expected = {"log_mel": "series of 9 steps, 40 features each", "wave": "series of 927 steps, 1 feature each"}
    assert facts["inputs"] == expected[read]


def at_rate(content: bytes, rate: int) -> bytes:
    """A recording that says it has so many samples a second."""
    return content[:24] + rate.to_bytes(4, "little") + content[28:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.write_bytes(b""), "low/3.wav: not a whole recording"),
        (lambda file: file.write_bytes(file.read_bytes()[:200]), "low/3.wav: not a whole recording"),
        (lambda file: file.write_bytes(b"no sound at all, but some text"), "low/3.wav: not a whole recording"),
        (lambda file: record(file, 300, rate=11025), "low/3.wav: 11025 samples a second, where the others have 8000"),
        (lambda file: file.write_bytes(at_rate(file.read_bytes(), 0)), "low/3.wav: not a whole recording: it says"),
        (
            lambda file: file.write_bytes(at_rate(file.read_bytes(), 2**32 - 1)),
            "low/3.wav: not a whole recording",
        ),
        (lambda file: shutil.rmtree(file.parent), "holds only the class 'high'"),
        (lambda file: shutil.rmtree(file.parent.parent), "there is no folder"),
    ],
    ids=["zero bytes", "cut short", "text", "another rate", "no rate", "a huge rate", "one class", "no folder"],
)
def test_what_is_wrong_is_named(
    command: Command, write: Callable[..., Path], recordings: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(recordings / "low" / "3.wav")
    refused = command("check", write(CONFIG))
    assert refused.status == 2
    assert said in refused.err
    assert "my.yaml:2:" in refused.err


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_width_gives_the_same_numbers(tmp_path: Path, width: int, channels: int) -> None:
    record(tmp_path / "tone.wav", 440, width=width, channels=channels)
    found = sound.read(tmp_path / "tone.wav")
    expected = torch.sin(2 * math.pi * 440 * torch.arange(800) / RATE) * 0.5
    assert found.rate == RATE
    torch.testing.assert_close(found.samples, expected, rtol=0, atol=2 / 2 ** (8 * width - 1) + 1e-5)


def test_the_energy_of_a_tone_lies_in_its_band(tmp_path: Path) -> None:
    record(tmp_path / "tone.wav", 1000, seconds=0.5)
    energies = sound.frames(sound.read(tmp_path / "tone.wav"), "log_mel").mean(dim=0)
    highest = 2595 * math.log10(1 + RATE / 2 / 700)
    centre = 2595 * math.log10(1 + 1000 / 700) / highest * (sound.BANDS + 1) - 1
    assert abs(int(energies.argmax()) - centre) <= 1


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenSoundError, match="No such file"):
        sound.read(tmp_path / "none.wav")
