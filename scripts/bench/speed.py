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
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import peak
import rivals
import torch
from loops import WORKS as LOOPS
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

HERE = Path(__file__).parent
WORKS = HERE / "works"
ON_GPU = WORKS / "cuda"  # those that only a GPU is fast enough for
TABLE, TABLE_OF_BEST = HERE / "speed.md", HERE / "speed_best.md"
HEAD = """
| work | loop, examples/s | nntrain, examples/s | time per example | first step, s | peak memory, MB |
| --- | ---: | ---: | ---: | ---: | ---: |"""
BEST = {  # the fastest that were tried for each work on one core of an AMD EPYC with AVX512-BF16
    "gcn_cora": ["trainer.compile=true"],
    "gpt_shakespeare": ["trainer.precision=bf16"],
    "lenet_fashion_mnist": ["trainer.precision=bf16", "trainer.channels_last=true"],
    "lstm_mnist_rows": ["trainer.precision=bf16"],
    "mlp_digits": ["trainer.compile=true"],
    "mlp_fashion_mnist": ["trainer.precision=bf16", "trainer.compile=true"],
    "resnet50": ["trainer.precision=bf16", "trainer.channels_last=true"],
}
BEGIN = """Written by `{command}` on {machine}.

Each figure is the median of {rounds} rounds, in each of which nntrain and the hand-written loop (loops.py) ran in turn,
evaluating equally often. Examples per second count from the end of the first epoch, or the first tenth of the steps,
with all that belongs to training: evaluation, TensorBoard, display, checkpoints, checks. Time per example is nntrain's
over the loop's, the median of the rounds' ratios (in brackets the smallest and the largest). The first step, from the
start of the process, and the peak of resident memory are the loop's and nntrain's.
"""


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


SHORT = ("trainer.length=2 steps", "trainer.log=1 steps", "trainer.evaluate=2 steps")  # for the first step
SHORT_KEYS = tuple(setting.partition("=")[0] + "=" for setting in SHORT)


def works(device: str) -> list[str]:
    """All works that a device is fast enough for."""
    folders = (WORKS, ON_GPU) if device.startswith("cuda") else (WORKS,)
    return sorted(path.stem for folder in folders for path in folder.glob("*.yaml"))


def config_of(work: str) -> Path:
    found = [path for folder in (WORKS, ON_GPU) if (path := folder / f"{work}.yaml").is_file()]
    if not found:
        raise SystemExit(f"there is no work '{work}'; there are {', '.join(works('cuda'))}")
    return found[0]


def nntrain(work: str, device: str, folder: str, overrides: Sequence[str]) -> tuple[Round, int, int]:
    """A run of the work's config; its steps, and those between its evaluations."""
    command = [
        sys.executable,
        "-m",
        "nntrain",
        "fit",
        str(config_of(work)),
        f"trainer.device={device}",
        *overrides,
    ]
    summary, _, peak = run([*command, "--json", "--out", folder], folder)
    records = (Path(summary["run"]) / "metrics.jsonl").read_text().splitlines()
    begin = [part for part in command if not part.startswith(SHORT_KEYS)]
    started, began, _ = run([*begin, *SHORT, "--json", "--out", folder], folder)
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
    files = {"loop": "loops.py", **rivals.programs(work)}
    rounds_of: dict[str, list[Round]] = {name: [] for name in ("nntrain", *files)}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            ours, steps, every = nntrain(work, device, folder, overrides)
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


def speed(one: Round) -> str:
    """Examples per second with about four digits."""
    number = one.examples_per_second
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def row(found: dict[str, Any]) -> str:
    loop, ours = Round(**found["loop"]), Round(**found["nntrain"])
    cells = (
        found["work"],
        speed(loop),
        speed(ours),
        rivals.ratio(found, "nntrain"),
        f"{loop.first_step:.1f}, {ours.first_step:.1f}",
        f"{loop.peak:,.0f}, {ours.peak:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def shares_of_peak(found: Sequence[dict[str, Any]], device: str) -> list[str]:
    """Adds the share of a GPU's arithmetic peak to what was found of works in bfloat16; a table of them."""
    name = torch.cuda.get_device_name(device)
    for each in found:
        if (work := LOOPS.get(each["work"])) is not None and work.bf16:
            of_one = peak.flops(work)
            speeds = (each[side]["examples_per_second"] for side in ("loop", "nntrain"))
            each["share_of_peak"] = [peak.share(speed, of_one, name) for speed in speeds]
    return peak.table(
        {e["work"]: e["share_of_peak"] for e in found if None not in e.get("share_of_peak", [None])}, name
    )


def processor_name() -> str:
    """As the system calls it; else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs="+", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON, and write no table")
    parser.add_argument("--table", type=Path, help="the file that the table is written to")
    parser.add_argument("--best", action="store_true", help="nntrain's runs with the settings that are fastest")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of nntrain's runs")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    overrides = [f"trainer.threads={asked.threads}", *asked.set]
    chosen = asked.work or works(asked.device)
    best = {work: BEST.get(work, []) if asked.best else [] for work in chosen}
    found = [compared(work, asked.rounds, asked.device, [*overrides, *best[work]]) for work in chosen]
    of_peak = shares_of_peak(found, asked.device) if asked.device.startswith("cuda") else []
    if asked.json:
        print(json.dumps(found))
        return
    processor = f"{os.cpu_count()} cores of {processor_name()}"
    machine = f"{processor}, {asked.threads} thread(s), device {asked.device}, torch {version('torch')}"
    command = " ".join(("scripts/bench/speed", *sys.argv[1:]))
    head = BEGIN.format(command=command, machine=machine, rounds=asked.rounds) + HEAD
    said = [f"\n{work}: {' '.join(settings)}" for work, settings in best.items() if settings]
    table = "\n".join((head, *map(row, found), *said, *rivals.table(found), *of_peak))
    place = asked.table or (TABLE_OF_BEST if asked.best else TABLE)
    place.write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
