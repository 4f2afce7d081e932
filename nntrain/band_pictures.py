"""The bands of a study as a picture, and as series that TensorBoard draws as bands."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from nntrain.bands import Band, Bands, Numbers
from nntrain.durable import write_durably
from nntrain.figure import Colour, Line, Panel, Point, Range, Shade, figure
from nntrain.writers import EventFile, Journal

PICTURE = "curves.png"
COLOURS: dict[str, Colour] = {"train": (66, 84, 102), "dev": (0, 145, 173)}
PALE = 0.35  # how much of white single runs are drawn with
THIN = 0.8
MARGIN = 0.06
SETTLED = 0.1  # the share of the run whose steep start may be beyond the axes


def write_pictures(folder: Path, name: str, bands: Bands) -> None:
    """Writes `curves.png`, and the folder `mean` with event files, below a study's folder."""
    for part, of_part in bands.items():
        if of_part:
            _write_events(folder / "mean" / part, of_part)
    metrics = dict.fromkeys(metric for of_part in bands.values() for metric in of_part)
    panels = [_panel(metric, {part: of[metric] for part, of in bands.items() if metric in of}) for metric in metrics]
    count = max(len(band.curves) for of_part in bands.values() for band in of_part.values())
    subtitle = f"{count} runs: their mean with its 95 % interval, and each run"
    legend = [(part, COLOURS[part]) for part in bands if bands[part]]
    content = io.BytesIO()
    figure(name, subtitle, legend, panels).save(content, "PNG")
    write_durably(folder / PICTURE, content.getvalue())


def _panel(metric: str, bands: Mapping[str, Band]) -> Panel:
    end = max(float(band.epochs[-1]) for band in bands.values())
    shades = [
        Shade(_points(band.epochs, band.lower), _points(band.epochs, band.upper), COLOURS[part])
        for part, band in bands.items()
    ]
    singles = [
        Line(_points(curve.epochs, curve.values), _pale(COLOURS[part]), THIN)
        for part, band in bands.items()
        for curve in band.curves
    ]
    means = [Line(_points(band.epochs, band.mean), COLOURS[part]) for part, band in bands.items()]
    return Panel(metric, "epoch", (0.0, end), _range(bands.values(), SETTLED * end), shades, [*singles, *means])


def _points(across: Numbers, up: Numbers) -> list[Point]:
    return list(zip(across.tolist(), up.tolist(), strict=True))


def _pale(colour: Colour) -> Colour:
    red, green, blue = (round(part + (255 - part) * PALE) for part in colour)
    return red, green, blue


def _range(bands: Iterable[Band], settled: float) -> Range:
    """The range of the runs' values after the start."""
    curves = [curve for band in bands for curve in band.curves]
    shown = [curve.values[(curve.epochs >= settled) | (curve.steps == curve.steps[-1])] for curve in curves]
    low, high = float(min(map(np.min, shown))), float(max(map(np.max, shown)))
    margin = MARGIN * (high - low) or max(abs(high), 1.0) * MARGIN
    return low - margin, high + margin


def _write_events(folder: Path, bands: Mapping[str, Band]) -> None:
    """The means under the runs' own tags, and again with the interval's ends as series that make a band.

    TensorBoard complains of a run that has some series of a band: those of the single runs have none of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "events.out.tfevents.nntrain")
    journal.open(0)
    events = EventFile(journal)
    events.start()
    events.bands({metric: _tags(metric) for metric in bands})
    for metric, band in bands.items():
        for step, *numbers in zip(band.steps, band.mean, band.lower, band.upper, strict=True):
            series = dict(zip(_tags(metric), map(float, numbers), strict=True))
            events.scalars({metric: float(numbers[0]), **series}, int(step))
    journal.close()


def _tags(metric: str) -> tuple[str, str, str]:
    return f"mean/{metric}", f"mean/{metric}_from", f"mean/{metric}_to"
