"""What the user sees: progress on standard error, results as tables on standard output."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable
from rich.text import Text

from nntrain.clock import Clock
from nntrain.tables import Table

DRAWS_PER_SECOND = 8
LINES_PER_SECOND = 1  # of evaluations, where nobody watches a bar


def table(content: Table) -> RichTable:
    """A table for the terminal; columns of numbers are set flush right."""
    drawn = RichTable(title=content.title, title_justify="left", title_style="bold", header_style="", box=SIMPLE_HEAD)
    for i, name in enumerate(content.columns):
        numeric = bool(content.rows) and all(_is_number(row[i]) for row in content.rows)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in content.rows:
        drawn.add_row(*map(Text, row))
    return drawn


def results(summary: Mapping[str, Any]) -> Table:
    """The last and the best evaluation of a run."""
    best = summary["best"] or {"metrics": {}}
    parts = {"train": summary["train"], "dev": summary["dev"], "dev, best model": best["metrics"]}
    if summary["best"] and not summary["best"]["metric"].startswith("dev/"):
        parts.pop("dev, best model")
    shown = {name: numbers for name, numbers in parts.items() if numbers}
    metrics = dict.fromkeys(metric for numbers in shown.values() for metric in numbers)
    rows = tuple((metric, *(number(numbers.get(metric)) for numbers in shown.values())) for metric in metrics)
    return Table("results", ("metric", *shown), rows)


def number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"


class _Watched(Console):
    """A console that goes quiet where nobody reads it any more, instead of ending the run."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class ProgressBar:
    """A live bar with the last evaluation beside it; plain lines where standard error is no terminal."""

    def __init__(self, clock: Clock, step: int, steps_before: int = 0) -> None:
        """`clock` and `step` are a stage's, `steps_before` those of the stages before it."""
        self._clock = clock
        self._last = steps_before + clock.total
        self._console = console = _Watched(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[place]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[curves]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task(
            "training", total=clock.total, completed=step, place="", speed="", curves=""
        )
        self._first = (step, time.monotonic())
        self._drawn = 0.0
        self._printed = 0.0

    def __enter__(self) -> "ProgressBar":
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def step(self, step: int) -> None:
        now = time.monotonic()
        if not self._console.is_terminal or now - self._drawn < 1 / DRAWS_PER_SECOND:
            return
        self._drawn = now
        speed = (step - self._first[0]) / max(now - self._first[1], 1e-9)
        epochs = self._clock.total / self._clock.steps_per_epoch
        place = f"epoch {self._clock.epoch(step):.1f}/{epochs:g}, step {step:,}"
        self._progress.update(self._task, completed=step, place=place, speed=f"{speed:,.0f} steps/s")
        with self._unheard():
            self._progress.refresh()

    def evaluation(self, record: Mapping[str, Any], is_best: bool) -> None:
        curves = "  ".join(_curve(record, part) for part in ("train", "dev") if record.get(part))
        if self._console.is_terminal:
            self._progress.update(self._task, curves=curves)
            return
        now = time.monotonic()
        is_last = record["step"] >= self._last
        if is_last or now - self._printed >= 1 / LINES_PER_SECOND:
            self._printed = now
            star = "  best" if is_best else ""
            line = f"epoch {record['epoch']:6.2f}  step {record['step']:>7,}  {curves}{star}"
            with self._unheard():
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        """Lets a terminal that has gone away be no matter."""
        try:
            yield
        except OSError:
            self._console.quiet = True


def _curve(record: Mapping[str, Any], part: str) -> str:
    """The loss and the first metric of a part: `dev loss 0.1 error_rate 0.03`."""
    numbers = record[part]
    names = [n for n in numbers if n not in ("objective", "grad_norm", "lr", "data_wait")][:2]
    return f"{part} " + " ".join(f"{name} {number(numbers[name])}" for name in names)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit()
