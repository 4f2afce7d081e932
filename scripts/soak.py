"""Runs that are killed by SIGKILL at random moments and started again by the same command, against straight ones.

Each attempt is a process of its own, forked from this one so that nothing is imported again.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from every_task import TASKS, TEACHER, TRAINER
from PIL import Image

from nntrain import cli
from nntrain.doomed import Doom
from nntrain.fit import Request, fit
from nntrain.same_runs import first_difference

MOST_KILLS = 3  # of a trial
PICTURES = """
data: {{type: image_folder, path: pictures, batch_size: 8, keep: {{type: files, workers: {workers}}}}}
model: {{type: mlp, hidden: [4], dropout: 0.2}}
"""
LONG = """
data: {type: digits, batch_size: 32}
model: {type: mlp, hidden: [16], norm: batch, dropout: 0.2}
optimizer: {type: adamw, lr: 0.001}
trainer: {length: STEPS steps, evaluate: 50 steps, save: 3 steps, log: 7 steps, preflight: false, average: ema}
"""
STEPS_PER_CYCLE = 4


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


def warm(folder: Path) -> None:
    """Trains once in this process, so that those that are forked from it have imported everything."""
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    Path("my.yaml").write_text("data: digits\nmodel: mlp\ntrainer: {length: 9 steps}\n")
    with suppress(SystemExit):
        command("fit", "my.yaml")
    os.chdir(before)


def command(*arguments: str) -> None:
    sys.argv = ["nntrain", *arguments]
    cli.main()


def ended(child: int) -> int:
    """The exit status of a process, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def done(folder: Path, *arguments: str) -> None:
    status = ended(forked(folder, lambda: command(*arguments)))
    assert status == 0, (arguments, status, (folder / "log").read_text()[-2000:])


def finished(out: Path) -> Path:
    """The run that has ended; one that was killed before its config was whole is none."""
    (summary,) = out.glob("*/*/summary.json")
    return summary.parent


def trial(folder: Path, seconds: float, chance: random.Random) -> int:
    """Starts the same command again and again until it is not killed any more; returns how often it was."""
    kills = 0
    arguments = ("fit", "my.yaml", "--resume", "auto", "--out", f"killed-{chance.random()}")
    for _ in range(MOST_KILLS):
        child = forked(folder, lambda: command(*arguments))
        killer = threading.Timer(chance.uniform(0.02, 1.0) * seconds, os.kill, (child, signal.SIGKILL))
        killer.start()
        status = ended(child)
        killer.cancel()
        killer.join()
        if status == 0:
            break
        assert status == -signal.SIGKILL, (status, (folder / "log").read_text()[-2000:])
        kills += 1
        if any((folder / arguments[-1]).glob("*/*/summary.json")):  # killed after its end
            break
    else:
        done(folder, *arguments)
    difference = first_difference(finished(folder / "straight"), finished(folder / arguments[-1]))
    assert difference is None, f"{folder.name}: {difference}"
    return kills


def tasks(folder: Path) -> dict[str, tuple[str, Path]]:
    """The configs, and where they are run: one for each task, and pictures with and without workers."""
    (folder / "teacher").mkdir()
    (folder / "teacher" / "my.yaml").write_text("data: digits\nmodel: linear\ntrainer: {length: 20 steps}\n")
    if any(TEACHER in text for text in TASKS.values()):
        done(folder / "teacher", "fit", "my.yaml")
    teacher = next((folder / "teacher").glob("runs/*/*"), folder)
    texts = {name: text.replace(TEACHER, str(teacher)) for name, text in TASKS.items()}
    texts |= {f"pictures, {workers} workers": PICTURES.format(workers=workers) for workers in (0, 2)}
    found = {}
    for name, text in texts.items():
        place = folder / name
        place.mkdir()
        (place / "my.yaml").write_text(text if "trainer:" in text else text + TRAINER)
        if "image_folder" in text:
            draw(place / "pictures")
        found[name] = (text, place)
    return found


def draw(folder: Path) -> None:
    for i in range(60):
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 60, (8, 8, 3))
        Image.fromarray((noise + 120 * (i % 2)).astype(np.uint8)).save(path)


def trials(folder: Path, count: int, chance: random.Random) -> Iterator[tuple[str, int, int]]:
    """For each config how many trials ended alike, and how many kills that took."""
    places = tasks(folder)
    for number, (name, (_, place)) in enumerate(places.items()):
        each = count // len(places) + (number < count % len(places))
        if not each:
            continue
        began = time.monotonic()
        done(place, "fit", "my.yaml", "--out", "straight")
        seconds = time.monotonic() - began
        kills = sum(trial(place, seconds, chance) for _ in range(each))
        print(f"{name}: {each} of {each}, {kills} kills", file=sys.stderr)
        yield name, each, kills


def cycles(folder: Path, count: int, chance: random.Random) -> tuple[int, int]:
    """Kills one run so often; returns its size in bytes and that of a straight one. Fails where they differ."""
    (folder / "my.yaml").write_text(LONG.replace("STEPS", str(STEPS_PER_CYCLE * count + 100)))
    done(folder, "fit", "my.yaml", "--out", "straight")
    resumed: dict[str, int] = {"step": 0}
    for number in range(count):
        resumed["step"] += chance.randint(1, 2 * STEPS_PER_CYCLE - 1)
        doom = Doom(resumed["step"], chance.uniform(0, 0.01))

        @contextmanager
        def show(trainer: object, doom: Doom = doom) -> Iterator[Doom]:
            yield doom

        request = Request("my.yaml", (), Path("killed"), resume="auto")
        status = ended(forked(folder, lambda: fit(request, lambda message: None, show)))  # noqa: B023
        assert status in (0, -signal.SIGKILL), (status, (folder / "log").read_text()[-2000:])
        if any((folder / "killed").glob("*/*/summary.json")):
            break
        if number % 100 == 99:
            print(f"{number + 1} of {count} cycles", file=sys.stderr)
    if not list((folder / "killed").glob("*/*/summary.json")):
        done(folder, "fit", "my.yaml", "--resume", "auto", "--out", "killed")
    runs = [finished(folder / name) for name in ("straight", "killed")]
    difference = first_difference(*runs)
    assert difference is None, difference
    files = [{str(p.relative_to(run)): p.stat().st_size for p in run.rglob("*") if p.is_file()} for run in runs]
    assert files[0].keys() == files[1].keys(), files[0].keys() ^ files[1].keys()
    straight, killed = (sum(sizes.values()) for sizes in files)
    return straight, killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    lines = [
        "# Runs that were killed, against straight ones", "",
        f"By `scripts/soak --trials {asked.trials} --cycles {asked.cycles} --seed {asked.seed}`: SIGKILL at random "
        "moments, then the same command again. Ended alike: weights, optimizer, metrics.jsonl, TensorBoard's points "
        "and summary are the same bit for bit in all but wall time.", "",
        "| config | trials | ended alike | kills |", "|---|---|---|---|",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="nntrain-soak-") as name:
        folder = Path(name)
        warm(folder / "warm")
        found = list(trials(folder, asked.trials, chance))
        lines += [f"| {config} | {count} | {count} | {kills} |" for config, count, kills in found]
        total, kills = (sum(row[i] for row in found) for i in (1, 2))
        lines += [f"| all | {total} | {total} | {kills} |", ""]
        if asked.cycles:
            (folder / "one").mkdir()
            straight, killed = cycles(folder / "one", asked.cycles, chance)
            alike = f"ended alike, the same files, {killed:,} bytes, where the straight run has {straight:,}"
            lines += [f"One run, killed and resumed {asked.cycles} times: {alike}."]
    asked.table.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
