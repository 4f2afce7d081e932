"""A LeNet that was trained on digits, moved to clothes with few labels, against LeNets that start from scratch."""

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from scipy.stats import ttest_rel

sys.path.insert(0, str(Path(__file__).with_name("lesson_plans")))
from nntrain.config import load
from training import CONFIGS, fitted, measured, trained

TABLE = Path(__file__).with_name("transfer.md")
SEEDS = range(10)
TUNED = range(100, 103)  # seeds that rates are chosen on
LABELS, SOURCE_EPOCHS = 1000, 4
LENGTHS = (5, 15)  # epochs; 5 are those of the shipped config
RATES = (0.02, 0.05, 0.1)
SCRATCH, MOVED = "from scratch", "convolutions from MNIST"
MATCH = "^body.conv"


class Errors(NamedTuple):
    """Of a trained network, on the dev set and on the test set."""

    dev: float
    test: float


def errors(init: list[Any], seed: int, epochs: int, lr: float) -> Errors:
    """Those after training as lenet_fashion_mnist does, with some labels only, of which each seed draws others."""
    split = f"data.split={{train: {LABELS}, seed: {seed}}}"
    length = (f"trainer.length={epochs} epochs", "trainer.early_stopping=null")
    settings = load(CONFIGS / "lenet_fashion_mnist.yaml", [f"seed={seed}", split, f"optimizer.lr={lr}", *length])
    parts = trained({**settings.data, "init": init})
    return Errors(*(measured(parts, part)["error_rate"] for part in ("dev", "test")))


def best_rate(init: list[Any], epochs: int) -> tuple[float, float]:
    """The lowest dev error, and the rate that has it; on other seeds than those that are reported."""
    return min((mean(errors(init, seed, epochs, lr).dev for seed in TUNED), lr) for lr in RATES)


def row(name: str, epochs: int, lr: float, tests: list[float], scratch: list[float]) -> str:
    gains = [before - after for before, after in zip(scratch, tests, strict=True)]
    compared = ("-", "-") if name == SCRATCH else (f"{mean(gains):+.1%}", f"{p_value(scratch, tests):.2g}")
    each = " ".join(f"{100 * error:.1f}" for error in tests)
    return "| " + " | ".join((f"{epochs}", name, f"{lr:g}", f"{mean(tests):.1%}", each, *compared)) + " |"


def p_value(scratch: list[float], moved: list[float]) -> float:
    """Of the two being the same, by a paired t-test."""
    return float(ttest_rel(scratch, moved).pvalue)


def verdict(where: str, scratch: list[float], moved: list[float]) -> tuple[str, bool]:
    """Whether what was moved errs less than what began from scratch, by more than chance."""
    holds = mean(moved) < mean(scratch) and p_value(scratch, moved) < 0.05
    return f"{'holds' if holds else '**fails**'} {where} ({mean(moved):.1%} against {mean(scratch):.1%})", holds


def main() -> int:
    began = time.monotonic()
    rows, verdicts = [], []
    tuned: dict[str, list[tuple[float, int]]] = {SCRATCH: [], MOVED: []}
    tests: dict[tuple[str, int], list[float]] = {}
    with fitted("lenet_mnist", f"trainer.length={SOURCE_EPOCHS} epochs") as source:
        inits = {SCRATCH: [], MOVED: [{"from": source["run"], "match": MATCH}]}
        for epochs in LENGTHS:
            for name, init in inits.items():
                dev, lr = best_rate(init, epochs)
                tuned[name].append((dev, epochs))
                tests[name, epochs] = [errors(init, seed, epochs, lr).test for seed in SEEDS]
                rows.append(row(name, epochs, lr, tests[name, epochs], tests[SCRATCH, epochs]))
                print(rows[-1], file=sys.stderr)
            verdicts.append(verdict(f"at {epochs} epochs", tests[SCRATCH, epochs], tests[MOVED, epochs]))
    best = {name: tests[name, min(found)[1]] for name, found in tuned.items()}
    verdicts.append(verdict("each at its own best length", best[SCRATCH], best[MOVED]))
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    minutes, rates = (time.monotonic() - began) / 60, ", ".join(f"{rate:g}" for rate in RATES)
    lines = (
        f"Written by `scripts/bench/transfer` on {machine} in {minutes:.0f} minutes.\n",
        f"lenet_fashion_mnist, {LABELS} labels, from scratch or with weights of a LeNet that was trained on MNIST",
        f"for {SOURCE_EPOCHS} epochs. {len(SEEDS)} seeds, each with other weights and labels. Each way has the rate of",
        f"{rates} whose dev error is lowest on {len(TUNED)} other seeds; gain (on training from scratch) and p are",
        "those of paired seeds.",
        "That the convolutions of MNIST beat training from scratch (p < 0.05)",
        f"{'; '.join(text for text, _ in verdicts)}.\n",
        "| epochs | weights at the start | rate | test error | of each seed in % | gain | p |",
        "| ---: | --- | ---: | ---: | --- | ---: | ---: |",
        *rows,
    )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))
    return 0 if verdicts[-1][1] else 1


if __name__ == "__main__":
    sys.exit(main())
