"""Runs the lessons: what each kind of network learns and others do not, each claim measured."""

import importlib
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

PLANS = Path(__file__).with_name("lesson_plans")
TABLE = Path(__file__).with_name("lessons.md")
NAMES = ("perceptrons", "depth", "pretraining", "convolution", "recurrent", "attention", "graphs", "teaching")
HEAD = "| | claim | measured |\n| --- | --- | --- |"


def main() -> int:
    sys.path.insert(0, str(PLANS))
    began = time.monotonic()
    lessons = [lesson for name in sys.argv[1:] or NAMES for lesson in importlib.import_module(name).LESSONS]
    rows = [row for lesson in lessons for row in lesson()]
    minutes = (time.monotonic() - began) / 60
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    lines = [f"| {'holds' if holds else '**fails**'} | {claim} | {measured} |" for claim, measured, holds in rows]
    table = "\n".join((f"Written by `scripts/bench/lessons` on {machine} in {minutes:.0f} minutes.\n", HEAD, *lines))
    if not sys.argv[1:]:
        TABLE.write_text(table + "\n", encoding="utf-8")
    print(table)
    return 0 if all(holds for *_, holds in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
