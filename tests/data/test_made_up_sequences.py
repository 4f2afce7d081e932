"""Made-up and real sequences: what they hold, and that they are divided and read as they should be."""

import math
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nntrain.data import sound
from nntrain.data.adding_problem import adding_problem
from nntrain.data.in_memory import InMemory
from nntrain.data.mnist import mnist
from nntrain.data.public_files import git_id_of
from nntrain.data.scikit_learn import digits
from nntrain.data.sequential_images import sequential_digits, sequential_mnist
from nntrain.data.spoken_digits import FILES, GIT_ID, spoken_digits
from nntrain.errors import UnfitError, UserError
from nntrain.specs import Series, Values


@pytest.mark.parametrize("length", [2, 7, 100])
def test_the_adding_problem_marks_one_number_in_each_half(length: int) -> None:
    source = adding_problem(examples=500, length=length)
    numbers, marks = source.train.inputs.values.unbind(dim=2)
    assert (source.inputs, source.targets) == (Series(2, length), Values(("sum",)))
    assert numbers.shape == (500, length) and numbers.min() >= 0 and numbers.max() < 1
    half = length // 2
    assert torch.equal(marks[:, :half].sum(dim=1), torch.ones(500))
    assert torch.equal(marks[:, half:].sum(dim=1), torch.ones(500))
    assert set(marks.flatten().tolist()) == {0.0, 1.0} or length == 2
    torch.testing.assert_close(source.train.targets, (numbers * marks).sum(dim=1, keepdim=True))
    assert (marks.sum(dim=0) > 0).all()  # every step is marked somewhere


def test_always_saying_1_has_an_error_of_a_sixth() -> None:
    targets = adding_problem(examples=50_000, length=4).train.targets
    assert (targets - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.02)


def test_the_adding_problem_is_drawn_from_its_seed() -> None:
    first, again, other = (adding_problem(examples=9, length=9, seed=seed).train.inputs.values for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_digits_by_rows_and_by_pixels() -> None:
    images = digits().train.inputs
    rows, pixels, permuted = (sequential_digits(read=read) for read in ("rows", "pixels", "permuted"))
    assert (rows.inputs, pixels.inputs, permuted.inputs) == (Series(8, 8), Series(1, 64), Series(1, 64))
    assert torch.equal(rows.train.inputs.values[5, 3], images[5, 0, 3])
    assert torch.equal(pixels.train.inputs.values[5, 3 * 8 + 2, 0], images[5, 0, 3, 2])
    assert rows.train.inputs.lengths is None and torch.equal(rows.train.targets, digits().train.targets)


def test_permuted_pixels_have_one_order_for_all_images() -> None:
    pixels, permuted = (sequential_digits(read=read).train.inputs.values for read in ("pixels", "permuted"))
    assert not torch.equal(pixels, permuted)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pixels[:, order], permuted)
    assert torch.equal(sequential_digits(read="permuted").train.inputs.values, permuted)


def test_rows_are_standardised_by_column() -> None:
    data = InMemory(sequential_digits, torch.device("cpu"), None)
    values = data.train.inputs.values.flatten(0, 1)
    deviation, mean = torch.std_mean(values, dim=0, correction=0)
    torch.testing.assert_close(mean, torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviation, torch.ones(8), atol=1e-4, rtol=0)


def test_sequential_mnist_is_mnist(shared_data: Path) -> None:
    images, series = mnist(root=str(shared_data)), sequential_mnist(root=str(shared_data))
    assert series.inputs == Series(28, 28) and series.scale == 1 / 255
    assert torch.equal(series.train.inputs.values, images.train.inputs[:, 0])
    assert series.test is not None and images.test is not None
    tested = series.test()
    assert tested.inputs.values.shape == (10_000, 28, 28) and torch.equal(tested.targets, images.test().targets)


RECIPES: dict[str, str] = {
    "adding_problem": "{type: adding_problem, examples: 200, length: 10}",
    "rows": "{type: sequential_digits}",
    "pixels": "{type: sequential_digits, read: permuted}",
}


def test_a_network_trained_on_values_that_are_not_standardised_can_be_measured(
    command: Callable[..., Any], write: Callable[..., Path]
) -> None:
    config = write(f"data: {RECIPES['adding_problem']}\nmodel: rnn\noptimizer: sgd\ntrainer: {{length: 2 steps}}\n")
    run = command("fit", config, "--json").json["run"]
    measured = command("eval", run, "--split", "test", "--json")
    assert measured.status == 0, measured.err
    assert measured.json["examples"] == 30


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "higher_order_rnn", "tdnn", "fsmn"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_network_over_sequences_trains_on_them(
    command: Callable[..., Any], write: Callable[..., Path], model: str, recipe: str
) -> None:
    config = write(
        f"data: {RECIPES[recipe]}\nmodel: {{type: {model}, hidden: 4}}\noptimizer: sgd\ntrainer: {{length: 2 steps}}\n"
    )
    called = command("fit", config, "--json")
    assert called.status == 0, called.err
    assert called.json["steps"] == 2


def listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds fsdd, whose recordings are all that there are to be."""
    names = sorted(file.name for file in (folder / "fsdd" / "recordings").iterdir())
    monkeypatch.setattr("nntrain.data.spoken_digits.FILES", tuple(names))
    return folder


def recording(folder: Path, name: str, hertz: float, samples: int, rate: int = 8000) -> None:
    """A WAV file with half as loud a tone as can be."""
    folder.mkdir(parents=True, exist_ok=True)
    tone = torch.sin(2 * math.pi * hertz / rate * torch.arange(samples)) * 2**14
    with wave.open(str(folder / name), "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        sound.writeframes(tone.short().numpy().tobytes())


def test_recordings_are_divided_by_their_number_and_keep_their_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, samples in enumerate((800, 600, 500, 700, 900, 400, 1000)):
        recording(tmp_path / "fsdd" / "recordings", f"{number}_anna_{number}.wav", 1000, samples)
    source = spoken_digits(root=str(listed(tmp_path, monkeypatch)), read="wave")
    assert source.inputs == Series(1, 1000)
    assert source.train.targets.tolist() == [5, 6] and source.train.inputs.lengths.tolist() == [400, 1000]
    assert source.test is not None and source.test().targets.tolist() == [0, 1, 2, 3, 4]
    tone = torch.sin(2 * math.pi / 8 * torch.arange(400)) / 2
    torch.testing.assert_close(source.train.inputs.values[0, :400, 0], tone, atol=2**-15, rtol=0)
    assert (source.train.inputs.values[0, 400:] == 0).all()


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_its_band(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hertz: float) -> None:
    for number in (0, 9):
        recording(tmp_path / "fsdd" / "recordings", f"1_anna_{number}.wav", hertz, 256 + 10 * 80)
    inputs = spoken_digits(root=str(listed(tmp_path, monkeypatch))).train.inputs
    assert inputs.values.shape == (1, 11, 40) and inputs.lengths.tolist() == [11]
    highest = 2595 * math.log10(1 + 4000 / 700)
    tops = [700 * (10 ** (highest * k / 41 / 2595) - 1) for k in range(1, 41)]
    nearest = min(range(40), key=lambda k: abs(tops[k] - hertz))
    assert set(inputs.values[0].argmax(dim=1).tolist()) <= {nearest - 1, nearest, nearest + 1}


def test_a_frame_by_its_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fsdd" / "recordings"
    for number in (0, 9):
        recording(folder, f"1_anna_{number}.wav", 700, 256)
    samples = spoken_digits(root=str(listed(tmp_path, monkeypatch)), read="wave").train.inputs.values[0, :, 0].double()
    n = torch.arange(200)
    windowed = samples[28:228] * (0.5 - 0.5 * torch.cos(2 * math.pi * n / 200))  # in the middle of 256 samples
    f = torch.arange(129, dtype=torch.float64)
    energy = ((windowed * torch.exp(-2j * math.pi * (f[:, None] * n) / 256)).sum(dim=1)).abs() ** 2
    mel = lambda hertz: 2595 * math.log10(1 + hertz / 700)  # noqa: E731
    corners = [700 * (10 ** (mel(4000) * k / 41 / 2595) - 1) for k in range(42)]
    hertz = f * 8000 / 256
    expected = []
    for low, top, high in zip(corners, corners[1:], corners[2:], strict=False):
        weight = torch.minimum((hertz - low) / (top - low), (high - hertz) / (high - top)).clamp(min=0)
        expected.append(math.log((weight * energy).sum().item() + 1e-8))
    actual = spoken_digits(root=str(listed(tmp_path, monkeypatch))).train.inputs.values[0, 0]
    torch.testing.assert_close(actual, torch.tensor(expected), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("damage", ["short", "cut", "rate"])
def test_a_damaged_recording_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    folder = tmp_path / "fsdd" / "recordings"
    recording(folder, "1_anna_9.wav", 500, 100 if damage == "short" else 500, 16000 if damage == "rate" else 8000)
    if damage == "cut":
        (folder / "1_anna_9.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"1_anna_9.wav: (expected a recording at 8000 Hz|not a whole recording)"):
        spoken_digits(root=str(listed(tmp_path, monkeypatch)))


def test_a_part_of_the_recordings_is_not_taken_for_all(tmp_path: Path) -> None:
    recording(tmp_path / "fsdd" / "recordings", "1_theo_9.wav", 500, 500)
    with pytest.raises(UnfitError, match="holds no fsdd/recordings with the files of spoken_digits") as refused:
        spoken_digits(root=str(tmp_path))
    assert refused.value.path == ("root",)


def test_recordings_come_as_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{digit}_theo_{number}.wav" for digit in (0, 1) for number in (0, 9)]
    for name in names:
        recording(tmp_path / "whole" / "recordings", name, 500, 500)
    monkeypatch.setattr("nntrain.data.spoken_digits.FILES", tuple(names))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNTRAIN_DATA", raising=False)
    archive = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path, "whole"))
    answers = [archive.read_bytes()[:-100], archive.read_bytes(), archive.read_bytes()]
    monkeypatch.setattr("nntrain.data.public_files.fetched", lambda url: answers.pop(0))
    for reason in ("is not the archive that it was: File is not a zip file", "its files are not the published ones"):
        with pytest.raises(UserError, match=reason):
            spoken_digits()
    ids = "".join(git_id_of((tmp_path / "whole" / "recordings" / name).read_bytes()) for name in names)
    monkeypatch.setattr("nntrain.data.spoken_digits.GIT_ID", git_id_of(ids.encode()))
    assert spoken_digits().train.targets.tolist() == [0, 1]
    assert answers == [] and spoken_digits().train.targets.tolist() == [0, 1]


def test_the_id_of_the_recordings_is_that_of_the_files(shared_data: Path) -> None:
    ids = "".join(git_id_of((shared_data / "fsdd" / "recordings" / name).read_bytes()) for name in FILES)
    assert git_id_of(ids.encode()) == GIT_ID


def test_the_official_division_of_spoken_digits(shared_data: Path) -> None:
    source = spoken_digits(root=str(shared_data))
    assert source.test is not None
    train, test = source.train, source.test()
    assert torch.bincount(train.targets).tolist() == [270] * 10 and torch.bincount(test.targets).tolist() == [30] * 10
    assert source.inputs == Series(40, 226)
    assert train.inputs.values.isfinite().all()


def test_a_speaker_can_be_kept_for_the_test_set(shared_data: Path) -> None:
    official, source = spoken_digits(root=str(shared_data)), spoken_digits(root=str(shared_data), tested="theo")
    assert official.test is not None and source.test is not None
    assert (len(source.train), len(source.test())) == (2500, 500)
    assert torch.bincount(source.test().targets).tolist() == [50] * 10
    first = next(path for path in sorted((shared_data / "fsdd" / "recordings").glob("0_theo_*.wav")))
    samples = sound.frames(sound.read(first), "log_mel")
    torch.testing.assert_close(source.test().inputs.values[0, : len(samples)], samples)
