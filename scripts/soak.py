"""Runs that are killed by SIGKILL at random moments and started again by the same command, against straight ones.

Each attempt is a process of its own, forked from this one so that nothing is imported again. What was found is kept
beside the table until all is done: a soak that was stopped goes on.
"""

import argparse
import gc
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from every_task import TASKS, TEACHER, TRAINER
from PIL import Image

import nntrain
from nntrain import cli
from nntrain.doomed import Doom
from nntrain.fit import fit
from nntrain.request import Request
from nntrain.same_runs import first_difference

KILLS = (1, 1, 1, 2, 3)  # of a trial, one as likely as the other
MOST_SECONDS = 300  # of an attempt, after which it hangs
STORED = """
data: {{type: {data}, batch_size: 8, keep: {{type: files, workers: {workers}}}}}
model: {model}
trainer: {{length: 6 steps, evaluate: 6 steps, save: 2 steps, log: 2 steps, preflight: false}}
"""
CLASSIFIER = "{type: mlp, hidden: [4], dropout: 0.2}"
SEGMENTER = "{type: unet, width: 2, depth: 1, norm: none}"
SMALLER = {  # of the configs that would take most of the time
    "detection": ("trainer.length=6 steps", "trainer.evaluate=3 steps", "trainer.save=2 steps"),
    "instance_segmentation": (
        "data.examples=20",
        "trainer.length=4 steps",
        "trainer.evaluate=4 steps",
        "trainer.save=1 steps",
    ),
}
SOURCES = "standard_library(, size: [0-9]+)?"  # of Python, which takes longer to read than to learn from
LONG = """
data: {type: digits, batch_size: 32}
model: {type: mlp, hidden: [16], norm: batch, dropout: 0.2}
optimizer: {type: adamw, lr: 0.001}
trainer: {length: STEPS steps, evaluate: 50 steps, save: 3 steps, log: 7 steps, preflight: false, average: ema}
"""
STEPS_PER_CYCLE = 4


# --- Processes.


def forked(folder: Path, work: Callable[[], object]) -> int:
    """Does something in a process of its own; returns its number."""
    child = os.fork()
    if child:
        return child
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        work()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(status)


def killed_or_ended(child: int, seconds: float) -> int:
    """Kills a process after so long, unless it ends before; returns its exit status, negative where a signal was."""
    killer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    killer.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        killer.cancel()
        killer.join()


def command(*arguments: str) -> None:
    sys.argv = ["nntrain", *arguments]
    cli.main()


def warm(folder: Path, *arguments: str) -> None:
    """Does the same in this process, so that those that are forked from it have imported everything."""
    before = Path.cwd()
    os.chdir(folder)
    with suppress(SystemExit):
        command(*arguments)
    os.chdir(before)


def done(folder: Path, *arguments: str) -> None:
    status = killed_or_ended(forked(folder, lambda: command(*arguments)), MOST_SECONDS)
    assert status == 0, (arguments, status, (folder / "log").read_text()[-2000:])


def finished(out: Path) -> Path:
    """The run that has ended; one that was killed before its config was whole is none."""
    (summary,) = out.glob("*/*/summary.json")
    return summary.parent


# --- Trials.


@dataclass(frozen=True)
class Subject:
    """A config, in a folder of its own, that is trained straight and killed."""

    name: str
    folder: Path
    changes: tuple[str, ...]

    def fit(self, out: str, *more: str) -> tuple[str, ...]:
        return ("fit", "my.yaml", *self.changes, "--out", out, *more)

    def trained(self) -> float:
        """Trains straight, after a first time in this process, which imports what is needed; returns the seconds."""
        warm(self.folder, *self.fit("first"))
        began = time.monotonic()
        done(self.folder, *self.fit("straight"))
        return time.monotonic() - began

    def trial(self, number: int, seed: int, seconds: float) -> dict[str, Any]:
        """Kills a run at random moments, once at least, and lets it end; how often, and what is not alike."""
        for attempt in count():
            out = f"killed-{number}-{attempt}"
            kills = self._killed(out, random.Random(f"{seed}/{self.name}/{out}"), seconds)
            if kills:
                break
            shutil.rmtree(self.folder / out)  # it ended before
        difference = first_difference(finished(self.folder / "straight"), finished(self.folder / out))
        if difference is None:
            shutil.rmtree(self.folder / out)
        return {"config": self.name, "trial": number, "kills": kills, "difference": difference}

    def _killed(self, out: str, chance: random.Random, seconds: float) -> int:
        """Starts the same command again and again until it is not killed any more; returns how often it was."""
        kills = 0
        arguments = self.fit(out, "--resume", "auto")
        wanted = chance.choice(KILLS)
        while kills < wanted:
            delay = chance.uniform(0.02, 1.0) * seconds
            status = killed_or_ended(forked(self.folder, lambda: command(*arguments)), delay)
            if status == 0:
                return kills
            assert status == -signal.SIGKILL, (status, (self.folder / "log").read_text()[-2000:])
            if any((self.folder / out).glob("*/*/summary.json")):  # killed after its end
                return kills
            kills += 1
        done(self.folder, *arguments)
        return kills


def subjects(folder: Path) -> list[Subject]:
    """One config for each task; pictures, and masks, in their files with and without workers."""
    (folder / "teacher").mkdir()
    (folder / "teacher" / "my.yaml").write_text("data: digits\nmodel: linear\ntrainer: {length: 20 steps}\n")
    done(folder / "teacher", "fit", "my.yaml")
    teacher = next((folder / "teacher").glob("runs/*/*"))
    (folder / "a.txt").write_text(LONG * 9)
    texts = {name: text.replace(TEACHER, str(teacher)) for name, text in TASKS.items()}
    texts = {name: re.sub(SOURCES, f"text, path: {folder / 'a.txt'}", text) for name, text in texts.items()}
    draw(folder / "drawn")
    for workers in (0, 2):
        pictures = f"image_folder, path: {folder / 'drawn' / 'pictures'}"
        masks = f"mask_folder, path: {folder / 'drawn' / 'masks'}"
        texts[f"pictures, {workers} workers"] = STORED.format(data=pictures, workers=workers, model=CLASSIFIER)
        texts[f"masks, {workers} workers"] = STORED.format(data=masks, workers=workers, model=SEGMENTER)
    for name, text in texts.items():
        (folder / name).mkdir()
        (folder / name / "my.yaml").write_text(text if "trainer:" in text else text + TRAINER)
    return [Subject(name, folder / name, SMALLER.get(name, ())) for name in texts]


def draw(folder: Path) -> None:
    """Pictures of two classes, and pictures with masks."""
    for i in range(60):
        noise = np.random.default_rng(i).integers(0, 60, (8, 8, 3))
        picture = Image.fromarray((noise + 120 * (i % 2)).astype(np.uint8))
        mask = Image.fromarray((noise[:, :, 0] > 30).astype(np.uint8))
        places = {f"pictures/{'ab'[i % 2]}": picture, "masks/images": picture, "masks/masks": mask}
        for place, drawn in places.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            drawn.save(folder / place / f"{i}.png")


# --- One run, killed again and again.


def cycles(folder: Path, number: int, chance: random.Random) -> dict[str, Any]:
    """Kills one run so often; what is not alike at its end, its size in bytes and that of a straight one."""
    folder.mkdir()
    (folder / "my.yaml").write_text(LONG.replace("STEPS", str(STEPS_PER_CYCLE * number + 300)))
    warm(folder, "fit", "my.yaml", "--out", "first", "trainer.length=60 steps")
    done(folder, "fit", "my.yaml", "--out", "straight")
    kills, step = 0, 0
    while kills < number:
        step += chance.randint(1, 2 * STEPS_PER_CYCLE - 1)
        kills += _doomed(folder, Doom(step, chance.uniform(0, 0.01)))
        if any((folder / "killed").glob("*/*/summary.json")):
            break
        if kills % 100 == 0:
            print(f"{kills} of {number} cycles", file=sys.stderr, flush=True)
    if not any((folder / "killed").glob("*/*/summary.json")):
        done(folder, "fit", "my.yaml", "--resume", "auto", "--out", "killed")
    runs = [finished(folder / name) for name in ("straight", "killed")]
    files = [{str(p.relative_to(run)): p.stat().st_size for p in run.rglob("*") if p.is_file()} for run in runs]
    orphans = sorted(files[0].keys() ^ files[1].keys())
    difference = first_difference(*runs) or (f"other files: {orphans}" if orphans else None)
    straight, killed = (sum(sizes.values()) for sizes in files)
    return {"cycles": kills, "difference": difference, "straight": straight, "killed": killed}


def _doomed(folder: Path, doom: Doom) -> bool:
    """Goes on with the run until its doom; whether it was killed, and not at its end already."""

    @contextmanager
    def show(trainer: object) -> Iterator[Doom]:
        yield doom

    request = Request("my.yaml", (), Path("killed"), resume="auto")
    status = killed_or_ended(forked(folder, lambda: fit(request, lambda message: None, show)), MOST_SECONDS)
    assert status in (0, -signal.SIGKILL), (status, (folder / "log").read_text()[-2000:])
    return status != 0


# --- What was found, kept beside the table until all is done.


class Found:
    """The results so far of this version of nntrain with this seed, a line of JSON each."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        of = {"version": _version(), "seed": seed}
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.rows: list[dict[str, Any]] = lines[1:] if lines and lines[0] == of else []
        if not self.rows:
            path.write_text(json.dumps(of) + "\n")

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if row["difference"]:
            print(f"not alike: {row}", file=sys.stderr, flush=True)

    def has(self, **wanted: object) -> bool:
        return any(wanted.items() <= row.items() for row in self.rows)

    def table(self, trials: int) -> Iterator[str]:
        """A line for each config, and one for all, of so many trials each."""
        rows = [row for row in self.rows if row.get("trial", trials) < trials]
        names = list(dict.fromkeys(row["config"] for row in rows))
        for name, some in [*((name, [row for row in rows if row["config"] == name]) for name in names), ("all", rows)]:
            alike = sum(row["difference"] is None for row in some)
            yield f"| {name} | {len(some)} | {alike} | {sum(row['kills'] for row in some)} |"

    def forget(self) -> None:
        self._path.unlink()


def _version() -> str:
    """A digest of nntrain's sources."""
    sources = sorted(Path(nntrain.__file__).parent.rglob("*.py"))
    return sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def soak(folder: Path, found: Found, trials: int, number: int, seed: int, only: str) -> None:
    """All that is still to be found: the cycles, then a trial of every config, and again."""
    missing = [
        one
        for one in (subjects(folder) if trials else [])
        if only in one.name and not found.has(config=one.name, trial=trials - 1)
    ]
    seconds = {one: one.trained() for one in missing}
    gc.collect()
    gc.freeze()  # so that a fork's collections copy no memory
    if number and not found.has(cycles=number):
        found.add(cycles(folder / "one", number, random.Random(seed)))
    for trial in range(trials):
        for one in missing:
            if not found.has(config=one.name, trial=trial):
                found.add(one.trial(trial, seed, seconds[one]))
        print(f"{trial + 1} of {trials} trials of each config", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="of each config")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="what the names of the wanted configs have in them")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = parser.parse_args()
    found = Found(asked.table.absolute().with_suffix(".partial"), asked.seed)
    with tempfile.TemporaryDirectory(prefix="nntrain-soak-") as name:
        soak(Path(name), found, asked.trials, asked.cycles, asked.seed, asked.only)
    lines = [
        "# Runs that were killed, against straight ones", "",
        f"By `scripts/soak --trials {asked.trials} --cycles {asked.cycles} --seed {asked.seed}`: SIGKILL at random "
        "moments, once at least in each trial and before its end, then the same command again. Ended alike: weights, "
        "optimizer, metrics.jsonl, TensorBoard's points and summary are the same bit for bit in all but wall time.", "",
        "| config | trials | ended alike | kills |", "|---|---|---|---|", *found.table(asked.trials), "",
    ]  # fmt: skip
    for row in found.rows:
        if row.get("cycles") == asked.cycles:
            alike = row["difference"] or "ended alike, the same files"
            sizes = f"{row['killed']:,} bytes, where the straight run has {row['straight']:,}"
            lines += [f"One run, killed and resumed {row['cycles']} times: {alike}, {sizes}."]
    asked.table.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    if any(row["difference"] for row in found.rows):
        return 1
    found.forget()
    return 0


if __name__ == "__main__":
    sys.exit(main())
