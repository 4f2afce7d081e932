"""The curves of several runs as a mean with a band: the numbers, TensorBoard's series, and the picture."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from nntrain.band_pictures import COLOURS
from nntrain.bands import Band, Curve, bands_of
from nntrain.figure import (
    BOTTOM,
    DETAIL,
    HEADER,
    HEIGHT,
    LEFT,
    OUTPUT,
    RIGHT,
    TOP,
    WIDTH,
    Line,
    Panel,
    Shade,
    figure,
    ticks,
)
from runs import instant_disk, records, scalars  # noqa: F401

Command = Callable[..., Any]
Write = Callable[..., Path]

T3 = 4.302652729749464  # Student's t for 95 % with two degrees of freedom
STOPPING = """
data: {type: iris, batch_size: 16, split: {dev: 0.4}}
model: {type: mlp, hidden: [16]}
optimizer: {type: adam, lr: 0.03}
trainer: {length: 60 steps, evaluate: 3 steps, early_stopping: {patience: 9 steps}}
"""


def curve(steps: Sequence[int], values: Sequence[float]) -> Curve:
    at = np.array(steps, dtype=np.float64)
    return Curve(at, at / 10, np.array(values, dtype=np.float64))


# --- Numbers.


def test_a_band_is_the_mean_and_its_interval() -> None:
    values = [[1.0, 0.5, 0.2], [2.0, 0.4, 0.2], [1.2, 0.9, 0.2]]
    band = Band.of([curve([5, 10, 15], v) for v in values])
    assert band.steps.tolist() == [5, 10, 15]
    assert band.epochs.tolist() == [0.5, 1.0, 1.5]
    for i, at in enumerate(zip(*values, strict=True)):
        half = T3 * stdev(at) / math.sqrt(3)
        assert (band.mean[i], band.lower[i], band.upper[i]) == pytest.approx(
            (mean(at), mean(at) - half, mean(at) + half)
        )


def test_a_run_that_stopped_keeps_its_last_value() -> None:
    band = Band.of([curve([1, 2, 3, 4], [4, 3, 2, 1]), curve([1, 2], [8, 5])])
    assert band.steps.tolist() == [1, 2, 3, 4]
    assert band.mean.tolist() == [6, 4, 3.5, 3]


def test_runs_that_are_evaluated_at_other_steps_are_lines_between_them() -> None:
    band = Band.of([curve([2, 6], [0, 4]), curve([3, 6], [10, 1])])
    assert band.steps.tolist() == [3, 6]  # from where both are known
    assert band.mean.tolist() == [5.5, 2.5]
    assert Band.of([curve([0, 10], [0, 1]), curve([0, 5, 10], [0, 0, 0])]).mean.tolist() == [0, 0.25, 0.5]


def run_with(folder: Path, dev: Sequence[float | None]) -> Path:
    lines = [
        {"step": i, "epoch": i / 2, "train": {"loss": 1.0, "lr": 1}, "dev": {"loss": v}} for i, v in enumerate(dev)
    ]
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_metric_that_is_not_finite_in_a_run_is_that_of_the_others(tmp_path: Path) -> None:
    runs = [run_with(tmp_path / str(i), dev) for i, dev in enumerate(([1.0, 2.0], [3.0, None], [5.0, 6.0]))]
    metrics = {"train": ["loss"], "dev": ["loss"]}
    bands = bands_of(runs, metrics)
    assert bands["dev"]["loss"].mean.tolist() == [3, 4]
    assert len(bands["train"]["loss"].curves) == 3
    assert bands_of(runs[:2], metrics)["dev"] == {}
    assert bands_of([run_with(tmp_path / "none", []), *runs[:1]], metrics) == {"train": {}, "dev": {}}


# --- A study.


def layout_of(folder: Path) -> dict[str, list[str]]:
    """The bands that TensorBoard is told to draw: by name the tags of the line and its ends."""
    reader = EventAccumulator(str(folder))
    reader.Reload()
    (event,) = reader.Tensors("custom_scalars__config__")
    layout = Layout.FromString(event.tensor_proto.string_val[0])
    series = {chart.title: chart.margin.series[0] for category in layout.category for chart in category.chart}
    return {name: [tags.value, tags.lower, tags.upper] for name, tags in series.items()}


def test_a_study_ends_where_its_table_says(command: Command, write: Write) -> None:
    called = command("fit", write(STOPPING), "--seeds", 3)
    summary = json.loads(next(Path().glob("runs/my/*/summary.json")).read_text())
    folder = Path(summary["run"])
    assert len({records(Path(run))[-1]["step"] for run in summary["runs"]}) > 1  # they stop at different steps
    for part in ("train", "dev"):
        found = scalars(folder / "mean", part)
        for metric in ("loss", "error_rate", "accuracy"):
            tags = [f"mean/{metric}", f"mean/{metric}_from", f"mean/{metric}_to"]
            assert layout_of(folder / "mean" / part)[metric] == tags
            low, high = summary["interval"][part][metric]
            ends = [found[tag][-1][1] for tag in (metric, *tags)]
            middle = summary["mean"][part][metric]
            assert ends == pytest.approx([middle, middle, low, high], rel=1e-5)
            firsts = [records(Path(run))[0][part][metric] for run in summary["runs"]]
            assert found[metric][0] == (3, pytest.approx(mean(firsts), rel=1e-5))
    assert Image.open(folder / "curves.png").size == (3 * WIDTH * OUTPUT, (HEADER + HEIGHT) * OUTPUT)
    assert f"their mean   {folder / 'curves.png'}" in called.out


def test_folds_are_drawn_too_and_a_data_set_without_a_dev_set(command: Command, write: Write) -> None:
    config = write(STOPPING.replace(", early_stopping: {patience: 9 steps}", ""))
    folds = command("fit", config, "--folds", 3, "--json").json
    assert scalars(Path(folds["run"]) / "mean", "dev")["loss"][-1][0] == 60
    alone = command("fit", config, "--seeds", 2, "data.split.dev=0", "--json").json
    assert (Path(alone["run"]) / "mean" / "train").is_dir()
    assert not (Path(alone["run"]) / "mean" / "dev").exists()


def test_runs_that_diverged_are_not_drawn(command: Command, write: Write) -> None:
    config = write("data: diabetes\nmodel: linear\noptimizer: {type: sgd, lr: 1000}\ntrainer: {length: 50 steps}\n")
    called = command("fit", config, "--seeds", 2)
    assert called.status == 1
    folder = next(Path().glob("runs/my/*/summary.json")).parent
    assert not (folder / "curves.png").exists()
    assert "their mean" not in called.out


# --- Drawing.

RED, BLUE = (200, 0, 0), (0, 0, 200)
PANEL = Panel(
    "loss", "epoch", (0, 10), (0, 1),
    [Shade([(0, 0.2), (5, 0.2)], [(0, 0.4), (5, 0.4)], BLUE)],
    [Line([(0, 0.5), (10, 0.5)], RED), Line([(6, -3), (6, 4)], RED)],
)  # fmt: skip


def colour_at(picture: Image.Image, x: float, y: float) -> tuple[int, ...]:
    """Where a point of a single panel's axes is drawn."""
    across = LEFT + x / 10 * (WIDTH - LEFT - RIGHT)
    down = HEADER + HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)
    return picture.getpixel((round(across * OUTPUT), round(down * OUTPUT)))  # type: ignore[return-value]


def is_red(colour: tuple[int, ...]) -> bool:
    red, green, blue = colour
    return red > 190 and green < 40 and blue < 40


def test_lines_and_shades_lie_where_their_numbers_say() -> None:
    picture = figure("name", "what", [("dev", BLUE)], [PANEL])
    assert is_red(colour_at(picture, 3, 0.5))
    assert is_red(colour_at(picture, 6, 0.9))
    red, green, blue = colour_at(picture, 3, 0.33)
    assert blue > 200 and red == green < 240  # seen through
    assert colour_at(picture, 3, 0.75) == colour_at(picture, 7, 0.33) == (255, 255, 255)
    assert not any(is_red(colour_at(picture, 6, y)) for y in (-0.02, -0.1, 1.02, 1.08))  # cut off at the axes
    assert DETAIL >= OUTPUT


@pytest.mark.parametrize(
    ("panels", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 3, 2), (7, 3, 3)]
)
def test_panels_lie_side_by_side(panels: int, columns: int, rows: int) -> None:
    picture = figure("name", "what", [], [PANEL] * panels)
    assert picture.size == (columns * WIDTH * OUTPUT, (HEADER + rows * HEIGHT) * OUTPUT)
    for column in range(columns):
        assert is_red(colour_at(picture.crop((column * WIDTH * OUTPUT, 0, *picture.size)), 3, 0.5))


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.031, 0.094, ["0.04", "0.06", "0.08"]),
        (0, 42, ["0", "10", "20", "30", "40"]),
        (-0.55, 0.6, ["-0.4", "-0.2", "0.0", "0.2", "0.4", "0.6"]),
        (0.49998, 0.50015, ["0.50000", "0.50005", "0.50010", "0.50015"]),
        (0, 3e7, ["0", "5e+06", "1e+07", "1.5e+07", "2e+07", "2.5e+07", "3e+07"]),
    ],
)
def test_ticks_are_round_and_told_apart(low: float, high: float, written: list[str]) -> None:
    found = ticks(low, high, most=6)
    assert [text for _, text in found] == written
    assert all(float(text) == pytest.approx(number) for number, text in found)


def test_a_single_evaluation_and_equal_values_can_be_drawn(command: Command, write: Write) -> None:
    config = write(STOPPING.replace("60 steps", "1 steps").replace(", early_stopping: {patience: 9 steps}", ""))
    assert command("fit", config, "--seeds", 2).status == 0
    assert COLOURS["train"] != COLOURS["dev"]
