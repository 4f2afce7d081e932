"""The proof, for a user's own config, that a killed run ends like one that was not."""

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nntrain.batch_size import settings_for
from nntrain.checkpoint import load
from nntrain.errors import RunError, UserError
from nntrain.plan import plan
from nntrain.request import Say, document
from nntrain.same_runs import first_difference
from nntrain.tables import Table

SAVES = 3  # checkpoints between two kills, on average
LONGEST = 0.05  # seconds after a step that a kill comes: in the midst of a later one, or of saving
Kill = tuple[int, int | None]  # at which step, and the step that the run went on from


@dataclass(frozen=True)
class Verdict:
    """What was found: `difference` is None where the runs are the same."""

    steps: int
    kills: list[Kill]
    difference: str | None

    def as_json(self) -> dict[str, Any]:
        kills = [{"step": step, "resumed_at": saved} for step, saved in self.kills]
        same = self.difference is None
        return {"same": same, "difference": self.difference, "steps": self.steps, "kills": kills}

    def table(self) -> Table:
        rows = tuple(
            (str(number), f"step {step:,}", "the start" if saved is None else f"step {saved:,}")
            for number, (step, saved) in enumerate(self.kills, start=1)
        )
        return Table(f"kills of a run of {self.steps:,} steps", ("kill", "at", "went on from"), rows)


def verify(config: str, overrides: Sequence[str], kills: int, seed: int, say: Say) -> Verdict:
    """Trains straight, trains with kills at random moments, and compares bit by bit.

    UserError where the config is wrong. Both runs lie in a temporary folder, and save often enough for the kills
    to fall between checkpoints.
    """
    with tempfile.TemporaryDirectory(prefix="nntrain-verify-") as folder:
        straight, killed = Path(folder, "straight"), Path(folder, "killed")
        overrides = settings_for(document(config, overrides, say), overrides, say)
        steps = _steps(config, overrides, say)
        settings = [*overrides, f"trainer.save={max(1, steps // ((kills + 1) * SAVES))} steps"]
        say(f"training straight: {steps:,} steps")
        _answer(["fit", config, *settings, "--out", str(straight)])
        found = _with_kills([config, *settings], killed, _moments(steps, kills, seed), say)
        return Verdict(steps, found, first_difference(_run_in(straight), _run_in(killed)))


def _steps(config: str, overrides: Sequence[str], say: Say) -> int:
    """The updates of all stages; raises what `fit` would."""
    totals: list[int] = []
    plan(document(config, overrides, say), lambda parts: totals.append(parts.clock.total))
    return sum(totals)


def _moments(steps: int, kills: int, seed: int) -> list[tuple[int, float]]:
    """The step of each kill, and how many seconds after it: in order, random."""
    chance = random.Random(seed)
    return sorted((chance.randint(1, max(1, steps - 1)), chance.uniform(0, LONGEST)) for _ in range(kills))


def _with_kills(config: Sequence[str], out: Path, moments: Sequence[tuple[int, float]], say: Say) -> list[Kill]:
    """Trains to the end, killed at these moments on the way."""
    found: list[Kill] = []
    place = [str(out), *config]
    for number, (step, delay) in enumerate(moments, start=1):
        subprocess.run(
            [sys.executable, "-m", "nntrain.doomed", str(step), str(delay), *place], capture_output=True, check=False
        )
        place = [str(_run_in(out))]
        found.append((step, _saved_step(out)))
        say(f"killed {number} of {len(moments)} times, at step {step:,}")
        if _is_finished(out):
            return found
    _answer(["fit", "--resume", *place])
    return found


def _answer(arguments: Sequence[str]) -> dict[str, Any]:
    """The JSON that a command of nntrain answers; its own message where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "nntrain", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode == UserError.exit_status:
        raise UserError(done.stderr.strip().removeprefix(UserError.said_after))
    if done.returncode:
        raise RunError(done.stderr.strip().removeprefix(RunError.said_after))
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run_in(out: Path) -> Path:
    (config,) = out.glob("*/*/config.yaml")
    return config.parent


def _saved_step(out: Path) -> int | None:
    """The step that the run will go on from."""
    for name in ("last", "previous"):
        path = _run_in(out) / "checkpoints" / f"{name}.safetensors"
        if path.exists():
            step: int = load(path).facts["position"]["step"]
            return step
    return None


def _is_finished(out: Path) -> bool:
    return any(out.glob("*/*/summary.json"))
