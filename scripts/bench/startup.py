"""How long commands take until they answer, and a run until its first step, as a multiple of `import torch`."""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from speed import WORKS, first_step_at

ROUNDS = 7
NNTRAIN = (sys.executable, "-m", "nntrain")
COMPLETION = {"_NNTRAIN_COMPLETE": "complete_bash", "COMP_WORDS": "nntrain ev", "COMP_CWORD": "1"}
COMPLETE = "import sys; sys.argv = ['nntrain']; from nntrain import cli; cli.main()"
SHORT = ("trainer.length=2 steps", "trainer.log=1 steps", "trainer.evaluate=2 steps", "trainer.threads=1")
TABLE = Path(__file__).with_suffix(".md")


def printed(*command: str, **variables: str) -> str:
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True).stdout


def seconds(*command: str, **variables: str) -> float:
    began = time.perf_counter()
    printed(*command, **variables)
    return time.perf_counter() - began


def import_of_torch() -> float:
    """Seconds from the start of the process until torch is there; what the process does at its end is left out."""
    began = time.time()
    return float(printed(sys.executable, "-c", "import torch, time; print(time.time())")) - began


def first_step(folder: str) -> float:
    """Seconds from the start of the process to the first step of the MLP on digits."""
    began = time.time()
    made = printed(*NNTRAIN, "fit", str(WORKS / "mlp_digits.yaml"), *SHORT, "--json", "--out", folder)
    return first_step_at(Path(json.loads(made)["run"])) - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        first_step(folder)
        (run,) = Path(folder).glob("*/*")
        measured: dict[str, Callable[[], float]] = {
            "`import torch`": import_of_torch,
            "`nntrain --help`": lambda: seconds(*NNTRAIN, "--help"),
            "`nntrain list`": lambda: seconds(*NNTRAIN, "list"),
            "completion of `nntrain ev`": lambda: seconds(sys.executable, "-c", COMPLETE, **COMPLETION),
            "`nntrain fit`, to the first step": lambda: first_step(folder),
            "`nntrain eval` of the model": lambda: seconds(*NNTRAIN, "eval", str(run), "--json"),
        }
        rounds = [{name: measure() for name, measure in measured.items()} for _ in range(ROUNDS)]
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), one thread, torch {version('torch')}"
    lines = [
        "# Starting", "",
        f"By `scripts/bench/startup` on {machine}: medians of {ROUNDS} rounds in turn, each in a process of its own; "
        "ratios are to `import torch` in the same round. The run is the MLP on digits, reading the data included.", "",
        "| | seconds | ratio |", "|---|---:|---:|",
    ]  # fmt: skip
    for name in measured:
        ratio = statistics.median(one[name] / one["`import torch`"] for one in rounds)
        lines.append(f"| {name} | {statistics.median(one[name] for one in rounds):.2f} | {ratio:.2f} |")
    TABLE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
