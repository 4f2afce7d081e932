"""Trains shipped configs through the command line and writes a table of what came out."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFIGS = (ROOT / "configs").glob("*.yaml")
TABLE = Path(__file__).with_name("scores.md")
COLUMNS = "| config | seconds | parameters | metric | train | dev | dev, best model | test, best model |"
Figures = tuple[float, ...]  # seconds; the metric on train, dev, dev with the best model, test with it


class NotRunError(Exception):
    """A config that this machine cannot run, such as for want of its data."""


def nntrain(*arguments: str) -> dict[str, Any]:
    """The JSON that a command prints."""
    command = [sys.executable, "-m", "nntrain", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise NotRunError(f"`nntrain {' '.join(arguments[:1])}` ended with status {done.returncode}")
    return json.loads(done.stdout)


def train(config: Path, seed: int, out: str) -> tuple[int, str, Figures]:
    """Trains a config and measures its best model on the test set: parameters, the metric it is judged by, figures."""
    fitted = nntrain("fit", str(config), f"seed={seed}", "--out", out)
    test = nntrain("eval", fitted["run"], "--split", "test")["metrics"]
    metric = fitted["best"]["metric"].partition("/")[2]
    measured = (fitted["train"], fitted["dev"], fitted["best"]["metrics"], test)
    figures = (fitted["seconds"], *(numbers[metric] for numbers in measured))
    return fitted["model"]["parameters"], metric, figures


def row(config: Path, seeds: int, out: str) -> str:
    try:
        runs = [train(config, seed, out) for seed in range(seeds)]
    except NotRunError as error:
        return f"| [{config.stem}](../../configs/{config.name}) | not run: {error} | | | | | | |"
    parameters, metric, _ = runs[0]
    seconds, *scores = ([figures[i] for _, _, figures in runs] for i in range(5))
    cells = (
        f"[{config.stem}](../../configs/{config.name})",
        spread(seconds, ".1f"),
        f"{parameters:,}",
        metric,
        *(spread(values, ".4f") for values in scores),
    )
    return "| " + " | ".join(cells) + " |"


def spread(values: list[float], form: str) -> str:
    """A figure, or where there are several their mean and range."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{sum(values) / len(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", type=Path, help="all of configs/ where none is given")
    parser.add_argument("--seeds", type=int, default=1, help="train with the seeds 0 to N - 1 (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="how many configs at a time, on a share of the cores each")
    asked = parser.parse_args()
    cores = os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(max(1, cores // asked.jobs))
    there = written()
    with tempfile.TemporaryDirectory() as out, ThreadPoolExecutor(asked.jobs) as jobs:
        for done in jobs.map(lambda config: row(config, asked.seeds, out), asked.configs or sorted(CONFIGS)):
            print(done, file=sys.stderr)
            there[name_of(done)] = done
            TABLE.write_text(table([there[name] for name in sorted(there)]), encoding="utf-8")


def name_of(line: str) -> str:
    """The config that a row of the table is of."""
    return line.partition("[")[2].partition("]")[0]


def written() -> dict[str, str]:
    """The rows that the table has already, by the config's name."""
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    return {name_of(line): line for line in lines if name_of(line)}


def table(rows: list[str]) -> str:
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    told = "seed 0, or of several seeds their mean (smallest to largest)"
    head = f"Written by `scripts/bench/scores` on {machine}; seconds of training; {told}.\n"
    ruler = "| --- " + "| ---: " * 2 + "| --- " + "| ---: " * 4 + "|"
    return "\n".join((head, COLUMNS, ruler, *rows)) + "\n"


if __name__ == "__main__":
    main()
