"""The fastest settings of a config on this machine: real updates on its first batches, in every way there is."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from nntrain.assemble import assemble
from nntrain.batch_size import settings_for
from nntrain.config import Document, dump, find, override
from nntrain.document import COMMAND_LINE, ConfigError
from nntrain.errors import RunError, UserError
from nntrain.request import document
from nntrain.stages import stages_of
from nntrain.tables import Table
from nntrain.timing import FailedError, Timed
from nntrain.ways import Way, threads, ways

Say = Callable[[str], None]
WITH_THREADS = 2  # of the best ways are timed with other numbers of threads
BEST = 3  # ways that are timed again,
AGAIN = 2  # so often, in turn, with the config's own
WORTH = 1.03  # times as fast as the config's own a way is to be


@dataclass
class Found:
    """What a way was measured at: examples per second, each time; or why it is none."""

    way: Way
    speeds: list[float] = field(default_factory=list)
    first_step: float | None = None
    reason: str | None = None

    @property
    def speed(self) -> float:
        return median(self.speeds) if self.speeds and self.reason is None else 0.0


@dataclass(frozen=True)
class Tuning:
    """All ways, the config's own first, and the chosen one; `out` is the file that was written."""

    config: str
    found: Sequence[Found]
    chosen: Found
    out: Path | None

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "chosen": dict(self.chosen.way.changes),
            "ratio": self._ratio(self.chosen),
            "out": str(self.out) if self.out else None,
            "ways": [self._facts(each) for each in self.found],
        }

    def table(self) -> Table:
        rows = tuple(self._row(each) for each in sorted(self.found, key=lambda each: -each.speed))
        columns = ("", "trainer", "examples/s", "ratio", "first step, s", "results")
        return Table(f"{self.config}, on this machine", columns, rows)

    def _facts(self, each: Found) -> dict[str, Any]:
        return {
            "settings": dict(each.way.changes),
            "examples_per_second": each.speed or None,
            "ratio": self._ratio(each),
            "first_step_seconds": each.first_step,
            "results": each.way.results,
            "reason": each.reason,
        }

    def _row(self, each: Found) -> tuple[str, ...]:
        mark = "chosen" if each is self.chosen else ""
        if each.reason is not None:
            return mark, str(each.way), "-", "-", "-", each.reason
        first = "-" if each.first_step is None else f"{each.first_step:.1f}"
        return mark, str(each.way), f"{each.speed:,.4g}", f"{self._ratio(each):.2f}", first, each.way.results

    def _ratio(self, each: Found) -> float | None:
        """How many times as fast as the config's own; None where one of them is no way."""
        own = self.found[0].speed
        return each.speed / own if own and each.speed else None


def tune(config: str, overrides: Sequence[str], seconds: float, out: Path | None, say: Say) -> Tuning:
    """Times every way for some seconds and the best ones again, in turn; writes the fastest where it is another.

    UserError where the config is wrong or the file is there already, before anything is timed.
    """
    target = _target(config, out)
    changes = _as_settings(overrides)
    trials = _Trials(config, overrides, seconds, say)
    for way in trials.ways:
        trials.first(way)
    for each in trials.best(WITH_THREADS):
        for number in trials.threads:
            trials.first(each.way.with_threads(number))
    finalists = trials.finalists()  # from here on the same ones, whatever they do
    say(f"timing the best {len(finalists)} again, in turn")
    for _ in range(AGAIN):
        for each in finalists:
            trials.again(each)
    own = trials.found[0]
    best = max(finalists, key=lambda each: each.speed)
    chosen = best if best.speed > WORTH * own.speed else own
    if chosen is not own:
        _write(target, config, changes, chosen.way)
    return Tuning(config, trials.found, chosen, None if chosen is own else target)


class _Trials:
    """The ways, each timed with parts of its own that share the data; of several stages the first."""

    def __init__(self, config: str, overrides: Sequence[str], seconds: float, say: Say) -> None:
        self._config = config
        self._overrides = settings_for(document(config, overrides, lambda note: None), overrides, say)
        self._seconds = seconds
        self._say = say
        parts = assemble(self._document(Way({}), say))
        self._data = parts.data
        self.ways = ways(parts)
        self.threads = list(threads(parts))
        self._timed: dict[int, Timed] = {}  # of those that may be timed again: each takes memory
        self.found: list[Found] = []

    def best(self, count: int) -> list[Found]:
        """The fastest ones so far."""
        able = [each for each in self.found if each.speed]
        return sorted(able, key=lambda each: -each.speed)[:count]

    def finalists(self) -> list[Found]:
        """The config's own way and the best others."""
        own = self.found[0]
        return [own, *[each for each in self.best(BEST + 1) if each is not own][:BEST]]

    def first(self, way: Way) -> None:
        """Makes ready and times a way; RunError where it is the config's own, and fails."""
        found = Found(way)
        self.found.append(found)
        self._say(f"timing {way}")
        try:
            parts = assemble(self._document(way, lambda note: None), known=self._data)
            self._timed[id(found)] = timed = Timed(parts)
            found.first_step = timed.first_step
        except ConfigError as error:
            found.reason = "; ".join(message for _, message in error.mistakes)
        except FailedError as error:
            found.reason = str(error)
        else:
            self.again(found)
        if self.found[0].reason is not None:
            raise RunError(f"the config's own settings fail: {self.found[0].reason}")
        able = {id(each) for each in self.finalists()}
        self._timed = {key: timed for key, timed in self._timed.items() if key in able}

    def again(self, found: Found) -> None:
        if found.reason is None:
            try:
                found.speeds.append(self._timed[id(found)].speed(self._seconds))
            except FailedError as error:
                found.reason = str(error)

    def _document(self, way: Way, say: Say) -> Document:
        written = document(self._config, self._overrides, say)
        trainer = written.data.setdefault("trainer", {})
        if isinstance(trainer, dict):  # else it is refused as it is
            trainer.update(way.changes)
        return stages_of(written)[0]


def _target(config: str, out: Path | None) -> Path:
    """The file to write, which is not to be there: beside the config, of a shipped one in the current folder."""
    source = find(config)
    folder = source.parent if Path(config).is_file() else Path()
    target = out or folder / f"{source.stem}_tuned.yaml"
    if target.exists():
        raise UserError(f"{target} is there already, and nothing is overwritten; give another name with --out")
    if not target.absolute().parent.is_dir() or not os.access(target.absolute().parent, os.W_OK):
        raise UserError(f"{target} cannot be written: its folder is not there, or not to be written to")
    return target


def _as_settings(overrides: Sequence[str]) -> dict[str, Any]:
    """What is set on the command line, as sections of a config that extends another."""
    for text in overrides:
        if any(part.isdecimal() for part in text.partition("=")[0].split(".")):
            raise UserError(f"'{text}' changes an entry of a list, which no config can do to one that it extends")
    return override(Document(COMMAND_LINE, {}), overrides).data


def _write(target: Path, config: str, changes: dict[str, Any], way: Way) -> None:
    """A config that extends the one that was tuned by the settings found."""
    source = find(config).absolute()
    beside = source.is_relative_to(target.absolute().parent)
    parent = source.relative_to(target.absolute().parent) if beside else source
    trainer = {**(changes.get("trainer") or {}), **way.changes}
    content = f"# The fastest settings of {source.name} that nntrain tune found on one machine ({way.results}).\n"
    content += dump({"extends": str(parent), **changes, "trainer": trainer})
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise RunError(f"{target} could not be written: {error.strerror or error}") from error
