"""Trains shipped configs through the command line and writes a table of what came out."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("scores.md")
COLUMNS = "| config | seconds | parameters | metric | train | dev | dev, best model | test, best model |"
MARKED = ("error_rate", "r2", "rmse")  # the metric that a row shows: the first of these that the task has


def nntrain(*arguments: str) -> dict[str, Any]:
    """The JSON that a command prints; its progress goes to this process's standard error."""
    command = [sys.executable, "-m", "nntrain", *arguments, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def row(config: Path, out: str) -> str:
    """Trains a config and measures its best model on the test set."""
    fitted = nntrain("fit", str(config), "--out", out)
    test = nntrain("eval", fitted["run"], "--split", "test")["metrics"]
    metric = next(name for name in MARKED if name in test)
    values = (fitted["train"], fitted["dev"], fitted["best"]["metrics"], test)
    cells = (
        f"[{config.stem}](../../configs/{config.name})",
        f"{fitted['seconds']:.1f}",
        f"{fitted['model']['parameters']:,}",
        metric,
        *(f"{numbers[metric]:.4f}" for numbers in values),
    )
    return "| " + " | ".join(cells) + " |"


def main(names: list[str]) -> None:
    configs = [Path(name) for name in names] or sorted((ROOT / "configs").glob("*.yaml"))
    with tempfile.TemporaryDirectory() as out:
        rows = [row(config, out) for config in configs]
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}"
    head = f"Written by `scripts/bench/scores` on {machine}; seconds of training, seed as in the config.\n"
    ruler = "| --- " + "| ---: " * 2 + "| --- " + "| ---: " * 4 + "|"
    table = "\n".join((head, COLUMNS, ruler, *rows)) + "\n"
    if not names:
        TABLE.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
