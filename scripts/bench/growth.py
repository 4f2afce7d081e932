"""Whether the time of a step, memory, starting and resuming stay as they are while a run grows."""

import os
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from nntrain.checkpoint import load, serialise
from nntrain.fit import fit
from nntrain.request import Request

CONFIG = """
data: {type: digits, batch_size: 32}
model: {type: mlp, hidden: [16]}
optimizer: adam
trainer: {length: 100001 steps, threads: 1}
"""
MARKS = (1_000, 10_000, 100_000)
WINDOW = 500  # steps before a mark, whose median is its time per step
ROUNDS = 15  # of starting and resuming, in turn
LENGTHS = ("100 steps", "1000000000 steps")
STEPS = (10, 1_000_000)  # that a run is resumed at
TABLE = Path(__file__).with_suffix(".md")


class Marks:
    """A display that looks at clock and memory, and ends the run after `most` steps, two at least."""

    def __init__(self, most: int) -> None:
        self.times: list[float] = []
        self.memory: dict[int, float] = {}
        self._most = most

    def step(self, step: int) -> None:
        self.times.append(time.perf_counter())
        if step in MARKS:
            self.memory[step] = resident()
        if len(self.times) == self._most - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluation(self, record: object, is_best: bool) -> None:
        """Nothing is shown."""

    def per_step(self, mark: int) -> float:
        """Median milliseconds of the steps before a mark."""
        times = self.times[mark - WINDOW : mark]
        return 1000 * statistics.median(after - before for before, after in pairwise(times))


def resident() -> float:
    """MB of memory that this process has now."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def trained(request: Request, steps: int) -> tuple[Marks, Path, float]:
    """What was seen of so many steps, the run, and the seconds until the first of them."""
    marks = Marks(steps)

    @contextmanager
    def show(*_: object) -> Iterator[Marks]:
        yield marks

    began = time.perf_counter()
    summary = fit(request, lambda message: None, show).summary
    return marks, Path(summary["run"]), marks.times[0] - began


def moved(run: Path, step: int) -> None:
    """Makes it look as if the run had come to a step, with a line in metrics.jsonl for every tenth."""
    path = run / "checkpoints" / "last.safetensors"
    stored = load(path)
    stored.facts["position"]["step"] = step
    (run / "metrics.jsonl").write_text('{"step": 1}\n' * (step // 10))
    stored.facts["lengths"]["metrics.jsonl"] = (run / "metrics.jsonl").stat().st_size
    path.write_bytes(serialise(stored))


def in_turn(one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """Median milliseconds of both, so that a machine that grows slower does so for both."""
    pairs = [(one(), other()) for _ in range(ROUNDS + 1)][1:]
    first, second = (1000 * statistics.median(side) for side in zip(*pairs, strict=True))
    return first, second


def compared(names: Sequence[str], milliseconds: Sequence[float]) -> Iterator[str]:
    for name, ms in zip(names, milliseconds, strict=True):
        yield f"| {name} | {ms:.0f} | {ms / milliseconds[0]:.2f} |"


def started(config: str, folder: Path, length: str) -> float:
    return trained(Request(config, (f"trainer.length={length}",), folder, folder="started"), 2)[2]


def resumed(config: str, folder: Path, step: int) -> float:
    length = ("trainer.length=1000000000 steps",)
    _, run, _ = trained(Request(config, length, folder, folder="resumed"), 2)
    moved(run, step)
    return trained(Request(None, (), folder, resume=str(run)), 2)[2]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = str(folder / "growing.yaml")
        Path(config).write_text(CONFIG)
        starts = in_turn(*(lambda length=length: started(config, folder, length) for length in LENGTHS))
        resumptions = in_turn(*(lambda step=step: resumed(config, folder, step) for step in STEPS))
        marks, run, _ = trained(Request(config, (), folder, folder="grown"), MARKS[-1] + 2)
        records = (run / "metrics.jsonl").stat().st_size / 1024
        events = sum(path.stat().st_size for path in run.glob("*/events*")) / 1024
    first_step, first_memory = marks.per_step(MARKS[0]), marks.memory[MARKS[0]]
    lines = [
        "# What grows with a run", "",
        "By `scripts/bench/growth`: an MLP 64-16-10 on digits, batch 32, one thread, all else at its defaults. A step "
        f"is the median of {WINDOW}, with what belongs to it; ratios are to the first row.", "",
        "| after step | a step, ms | ratio | resident memory, MB | ratio |", "|---:|---:|---:|---:|---:|",
        *(
            f"| {mark:,} | {marks.per_step(mark):.3f} | {marks.per_step(mark) / first_step:.2f} "
            f"| {marks.memory[mark]:.0f} | {marks.memory[mark] / first_memory:.3f} |"
            for mark in MARKS
        ),
        "", f"The records of the {MARKS[-1]:,} steps: metrics.jsonl {records:.0f} kB, event files {events:.0f} kB.", "",
        f"From the command to the first step, in a process that has imported everything, medians of {ROUNDS} in turn:",
        "", "| | ms | ratio |", "|---|---:|---:|",
        *compared([f"a run of {length} starts" for length in LENGTHS], starts),
        *compared([f"a run goes on at step {step:,}" for step in STEPS], resumptions),
    ]  # fmt: skip
    TABLE.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
