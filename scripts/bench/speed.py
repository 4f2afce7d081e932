"""Times nntrain, through its own command line, beside loops written out by hand: A B A B, medians, ratios."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

HERE = Path(__file__).parent
WORKS = HERE / "works"
TABLE = HERE / "speed.md"
HEAD = """
| work | loop, examples/s | nntrain, examples/s | time per example | first step, s | peak memory, MB |
| --- | ---: | ---: | ---: | ---: | ---: |"""
BEGIN = """Written by `{command}` on {machine}.

Each figure is the median of {rounds} rounds, in each of which nntrain and the hand-written loop (loops.py) ran in turn,
evaluating equally often. Examples per second count from the end of the first epoch, or the first tenth of the steps,
with all that belongs to training: evaluation, TensorBoard, display, checkpoints, checks. Time per example is nntrain's
over the loop's, the median of the rounds' ratios (in brackets the smallest and the largest). The first step, from the
start of the process, and the peak of resident memory are the loop's and nntrain's.
"""


OTHERS_HEAD = """
The same networks, data, rule and evaluations with other libraries, as their users write it (rival_*.py), in the same
rounds; time per example is theirs over the loop's.

| work | with | examples/s | time per example | first step, s | peak memory, MB |
| --- | --- | ---: | ---: | ---: | ---: |"""
LEFT_OUT = "\n{} left out: not installed; `pip install .[bench]` brings them."
CLASSIFIERS = ("mlp_digits", "mlp_fashion_mnist", "lenet_fashion_mnist", "lstm_mnist_rows", "resnet50")
RIVALS = {"lightning": (*CLASSIFIERS, "gpt_shakespeare"), "keras": CLASSIFIERS}  # and the works that each can do


class Round(NamedTuple):
    """What one process measured."""

    examples_per_second: float
    first_step: float  # seconds from the start of the process
    peak: float  # MB


def run(command: Sequence[str], folder: str) -> tuple[dict[str, Any], float, float]:
    """The JSON that a command prints, when it began, and its peak memory in MB."""
    with open(Path(folder) / "out", "w+") as out, open(Path(folder) / "err", "w+") as err:
        began = time.time()
        child = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            err.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{err.read()}")
        out.seek(0)
        return json.loads(out.read()), began, usage.ru_maxrss / 1024


def nntrain(work: str, device: str, folder: str, overrides: Sequence[str]) -> tuple[Round, int, int]:
    """A run of the work's config; its steps, and those between its evaluations."""
    command = [
        sys.executable,
        "-m",
        "nntrain",
        "fit",
        str(WORKS / f"{work}.yaml"),
        f"trainer.device={device}",
        *overrides,
    ]
    summary, _, peak = run([*command, "--json", "--out", folder], folder)
    records = (Path(summary["run"]) / "metrics.jsonl").read_text().splitlines()
    short = ("trainer.length=2 steps", "trainer.log=1 steps", "trainer.evaluate=2 steps")
    started, began, _ = run([*command, *short, "--json", "--out", folder], folder)
    found = Round(summary["examples_per_second"], first_step_at(Path(started["run"])) - began, peak)
    return found, summary["steps"], json.loads(records[0])["step"]


def first_step_at(run: Path) -> float:
    """When the first step was logged."""
    (events,) = (run / "train").glob("events*")
    return next(event.wall_time for event in EventFileLoader(str(events)).Load() if event.step == 1)


def program(file: str, work: str, steps: int, evaluate_every: int, device: str, folder: str) -> Round:
    """The hand-written loop, or another library."""
    command = [sys.executable, str(HERE / file), work, str(steps), str(evaluate_every), device]
    found, began, peak = run(command, folder)
    return Round(found["examples_per_second"], found["first_step_at"] - began, peak)


def compared(work: str, rounds: int, device: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Both in turn, so that a machine that grows slower or faster does so for both."""
    others = [name for name, works in RIVALS.items() if work in works and find_spec(name)]
    rounds_of: dict[str, list[Round]] = {name: [] for name in ("nntrain", "loop", *others)}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            ours, steps, every = nntrain(work, device, folder, overrides)
            files = {"loop": "loops.py", **{name: f"rival_{name}.py" for name in others}}
            found = {name: program(file, work, steps, every, device, folder) for name, file in files.items()}
            for name, one in {"nntrain": ours, **found}.items():
                rounds_of[name].append(one)
            print(f"{work}: {ours} {found}", file=sys.stderr)
    return {
        "work": work,
        **{name: Round(*map(statistics.median, zip(*some, strict=True)))._asdict() for name, some in rounds_of.items()},
        "time_per_example": {name: over_the_loop(some, rounds_of["loop"]) for name, some in rounds_of.items()},
        "steps": steps,
        "evaluate_every": every,
    }


def over_the_loop(some: Sequence[Round], loops: Sequence[Round]) -> list[float]:
    """The median of the rounds' ratios, the smallest and the largest."""
    ratios = [b.examples_per_second / a.examples_per_second for a, b in zip(some, loops, strict=True)]
    return [statistics.median(ratios), min(ratios), max(ratios)]


def row(found: dict[str, Any]) -> str:
    loop, ours = Round(**found["loop"]), Round(**found["nntrain"])
    cells = (
        found["work"],
        f"{loop.examples_per_second:,.4g}",
        f"{ours.examples_per_second:,.4g}",
        _ratio(found, "nntrain"),
        f"{loop.first_step:.1f}, {ours.first_step:.1f}",
        f"{loop.peak:,.0f}, {ours.peak:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def others(found: dict[str, Any]) -> Iterator[str]:
    """A row for each other library that was measured."""
    for name in RIVALS:
        if name in found:
            one = Round(**found[name])
            speed, ratio = f"{one.examples_per_second:,.4g}", _ratio(found, name)
            yield f"| {found['work']} | {name} | {speed} | {ratio} | {one.first_step:.1f} | {one.peak:,.0f} |"


def _ratio(found: dict[str, Any], name: str) -> str:
    ratio, least, most = found["time_per_example"][name]
    return f"{ratio:.2f} ({least:.2f} to {most:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs="+", default=sorted(path.stem for path in WORKS.glob("*.yaml")), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON, and write no table")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of nntrain's runs")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    overrides = [f"trainer.threads={asked.threads}", *asked.set]
    found = [compared(work, asked.rounds, asked.device, overrides) for work in asked.work]
    if asked.json:
        print(json.dumps(found))
        return
    processor = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    machine = f"{processor}, {asked.threads} thread(s), device {asked.device}, torch {version('torch')}"
    command = " ".join(("scripts/bench/speed", *sys.argv[1:]))
    rivals = [line for one in found for line in others(one)]
    missing = [name for name in RIVALS if not find_spec(name)]
    table = "\n".join((
        BEGIN.format(command=command, machine=machine, rounds=asked.rounds) + HEAD, *map(row, found),
        *([OTHERS_HEAD, *rivals] if rivals else []),
        *([LEFT_OUT.format(" and ".join(missing))] if missing else []),
    ))  # fmt: skip
    TABLE.write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
