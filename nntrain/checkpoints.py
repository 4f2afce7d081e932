"""The checkpoints of a run: which there are, and in which order they take each other's places."""

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from nntrain.checkpoint import Checkpoint, DamagedError, Position, facts_at, load, pieces, serialise
from nntrain.durable import sync_folder, temporary_name, write_beside
from nntrain.errors import UserError

SUFFIX = ".safetensors"
_STEP = "step-"


def find_checkpoint(place: Path) -> Path:
    """A checkpoint by its file, or the best (else the last) of a run's folder."""
    return _candidates(place)[0]


def load_from(place: Path, say: Callable[[str], None]) -> tuple[Path, Checkpoint]:
    """A checkpoint by its file, or the best (else the last) of a run's folder that is whole; and its file.

    `say` tells of those that are damaged; UserError where none is whole.
    """
    paths = _candidates(place)
    for path, after in pairwise(paths):
        try:
            return path, load(path)
        except DamagedError as error:
            say(f"{error}; {after.name} is used instead")
    return paths[-1], load(paths[-1])


def _candidates(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    run = Checkpoints(place / "checkpoints")
    found = [path for path in (run.best, *run.states()) if path.is_file()]
    if not found and place.is_dir():
        raise UserError(f"{place} holds no checkpoint; give a run's folder or a .safetensors file")
    if not found:
        raise UserError(f"there is no checkpoint {place}")
    return found


class Checkpoints:
    """The checkpoints of one run: `last` and `best`, the ones before them, and older states by their steps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.last = folder / f"last{SUFFIX}"
        self.previous = folder / f"previous{SUFFIX}"
        self.best = folder / f"best{SUFFIX}"
        self.diverged = folder / f"diverged{SUFFIX}"  # the model before an update that was not finite
        self.previous_best = folder / f"previous-best{SUFFIX}"
        self._pending = folder / f".best{SUFFIX}.pending"

    def save_last(self, checkpoint: Checkpoint, keep: int = 2) -> None:
        """Saves the state of the run; the states before it stay until this one is whole, and `keep` are kept then.

        A better model that was set aside becomes `best` first, so that `best` is never behind `last`.
        """
        written = write_beside(self.last, *pieces(checkpoint))
        if self._pending.exists():
            with self._pending.open("rb") as file:
                os.fsync(file.fileno())
            if self.best.exists():
                self.best.replace(self.previous_best)
            self._pending.replace(self.best)
        if keep > 2 and (older := self._by_step(self.previous)):
            self.previous.replace(older)
        if self.last.exists():
            self.last.replace(self.previous)
        written.replace(self.last)
        sync_folder(self._folder)
        for outdated in self._steps()[keep - 2 :]:
            outdated.unlink(missing_ok=True)

    def set_aside_best(self, checkpoint: Checkpoint) -> None:
        """Writes a model that is to become `best` with the next save, so that both are of one history."""
        self._pending.write_bytes(serialise(checkpoint))

    def settle_best(self, position: Position | None) -> None:
        """Lets `best` be the model of this position, the best that the saved state knows of.

        A run that failed while it was saved, or whose `last` is damaged, may have a `best` of the history that is
        given up; the one before it is then the right one.
        """
        self._pending.unlink(missing_ok=True)
        if _position_of(self.best) == position:
            return
        if position is None:
            self.best.replace(self.previous_best)
        elif _position_of(self.previous_best) == position:
            self.previous_best.replace(self.best)

    def states(self) -> Iterator[Path]:
        """The files of the run's states, the newest first."""
        yield from (path for path in (self.last, self.previous, *self._steps()) if path.exists())

    def stage(self) -> int | None:
        """The stage of the newest state, whole or not; None where there is none."""
        return next(((_position_of(path) or {"stage": 0})["stage"] for path in self.states()), None)

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest state that is whole, and what is to be said of those that are not.

        What an interrupted save left is removed; a damaged file is set aside, so that it cannot replace a whole one.
        """
        complaints: list[str] = []
        for path in (self._pending, *(temporary_name(p) for p in (self.last, self.best))):
            path.unlink(missing_ok=True)
        paths = list(self.states())
        for number, path in enumerate(paths, start=1):
            try:
                return load(path), complaints
            except DamagedError as error:
                path.replace(path.with_suffix(".damaged"))
                before = ", and the checkpoint before it is used" if number < len(paths) else ""
                complaints.append(f"{error}; it is set aside{before}")
        return None, complaints

    def _steps(self) -> list[Path]:
        """The states that are kept by their steps, the newest first."""
        found = (path for path in self._folder.glob(f"{_STEP}*{SUFFIX}") if path.stem[len(_STEP) :].isdigit())
        return sorted(found, key=lambda path: int(path.stem[len(_STEP) :]), reverse=True)

    def _by_step(self, path: Path) -> Path | None:
        """The name of a state by the steps that the run had made; None where there is none that says it."""
        try:
            facts = facts_at(path)
            steps = int(facts.get("past", {}).get("steps", 0)) + int(facts["position"]["step"])
        except (UserError, AttributeError, KeyError, TypeError, ValueError):
            return None
        return self._folder / f"{_STEP}{steps:08}{SUFFIX}"


def _position_of(path: Path) -> Position | None:
    """The stage and the step of a checkpoint's model; None where there is none."""
    try:
        position: Position = facts_at(path)["position"]
    except (UserError, KeyError, TypeError):
        return None
    return position
