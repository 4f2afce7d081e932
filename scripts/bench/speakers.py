"""Trains configs of spoken digits on five speakers and measures them on the sixth, for each of the six."""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from scores import ROOT, nntrain

from nntrain.data.spoken_digits import SPEAKERS

TABLE = Path(__file__).with_suffix(".md")
CONFIGS = ["tdnn_spoken_digits"]


def accuracy(config: str, speaker: str, out: str) -> float:
    """The share of a speaker's 500 recordings that are right (%), who was heard neither in training nor by dev."""
    fitted = nntrain("fit", str(ROOT / "configs" / f"{config}.yaml"), f"data.tested={speaker}", "--out", out)
    return 100 * nntrain("eval", fitted["run"], "--split", "test")["metrics"]["accuracy"]


def row(config: str) -> str:
    with tempfile.TemporaryDirectory() as out:
        right = [accuracy(config, speaker, out) for speaker in SPEAKERS]
    cells = [*(f"{share:.1f}" for share in right), f"{statistics.mean(right):.1f}"]
    print(f"{config}: {', '.join(cells)}", file=sys.stderr)
    return f"| {config} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", help="names of configs/*.yaml")
    rows = [row(config) for config in parser.parse_args().configs or CONFIGS]
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    head = (
        f"Written by `scripts/bench/speakers` on {machine}: accuracy (%) on all recordings of a speaker who is not in "
        "the training set, seed 0.\n"
    )
    columns = f"| config | {' | '.join(SPEAKERS)} | mean |"
    ruler = "| --- |" + " ---: |" * (len(SPEAKERS) + 1)
    TABLE.write_text("\n".join((head, columns, ruler, *rows)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
