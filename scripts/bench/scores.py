"""Trains shipped configs through the command line and writes a table of what came out."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("scores.md")
COLUMNS = "| config | seconds | parameters | metric | train | dev | dev, best model | test, best model |"
Figures = tuple[float, ...]  # seconds; the metric on train, dev, dev with the best model, test with it


class NotRunError(Exception):
    """A config that this machine cannot run, such as for want of its data."""


def nntrain(*arguments: str) -> dict[str, Any]:
    """The JSON that a command prints; its progress goes to this process's standard error."""
    command = [sys.executable, "-m", "nntrain", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
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
    asked = parser.parse_args()
    configs = asked.configs or sorted((ROOT / "configs").glob("*.yaml"))
    with tempfile.TemporaryDirectory() as out:
        rows = [row(config, asked.seeds, out) for config in configs]
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    seeds = "seed 0" if asked.seeds == 1 else f"seeds 0 to {asked.seeds - 1}: mean (smallest to largest)"
    command = "scripts/bench/scores" if asked.seeds == 1 else f"scripts/bench/scores --seeds {asked.seeds}"
    ruler = "| --- " + "| ---: " * 2 + "| --- " + "| ---: " * 4 + "|"
    head = f"Written by `{command}` on {machine}; seconds of training; {seeds}.\n"
    table = "\n".join((head, COLUMNS, ruler, *rows)) + "\n"
    if not asked.configs:
        TABLE.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
