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
SEEDS = 5
LABELS, SOURCE_EPOCHS = 1000, 4
LENGTHS = (5, 15)  # epochs; 5 are those of the shipped config
RATES = (0.02, 0.05, 0.1)
SCRATCH, CONVOLUTIONS, BODY = "from scratch", "convolutions from MNIST", "all but the head from MNIST"
MATCHES = {CONVOLUTIONS: "^body.conv", BODY: "^body"}


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


def at_best_rate(init: list[Any], epochs: int) -> tuple[float, list[float]]:
    """The rate whose dev error is lowest, and the test error of each seed with it."""
    found = {lr: [errors(init, seed, epochs, lr) for seed in range(SEEDS)] for lr in RATES}
    lr = min(RATES, key=lambda rate: mean(error.dev for error in found[rate]))
    return lr, [error.test for error in found[lr]]


def row(name: str, epochs: int, lr: float, tests: list[float], scratch: list[float]) -> str:
    gains = [before - after for before, after in zip(scratch, tests, strict=True)]
    compared = ("-", "-") if name == SCRATCH else (f"{mean(gains):+.1%}", f"{p_value(scratch, tests):.2g}")
    each = " ".join(f"{100 * error:.1f}" for error in tests)
    return "| " + " | ".join((f"{epochs}", name, f"{lr:g}", f"{mean(tests):.1%}", each, *compared)) + " |"


def p_value(scratch: list[float], moved: list[float]) -> float:
    """Of the two being the same, by a paired t-test."""
    return float(ttest_rel(scratch, moved).pvalue)


def main() -> int:
    began = time.monotonic()
    rows, holds = [], []
    with fitted("lenet_mnist", f"trainer.length={SOURCE_EPOCHS} epochs") as source:
        inits = {SCRATCH: [], **{n: [{"from": source["run"], "match": match}] for n, match in MATCHES.items()}}
        for epochs in LENGTHS:
            found = {name: at_best_rate(init, epochs) for name, init in inits.items()}
            scratch, moved = found[SCRATCH][1], found[CONVOLUTIONS][1]
            rows += [row(name, epochs, lr, tests, scratch) for name, (lr, tests) in found.items()]
            holds.append(mean(moved) < mean(scratch) and p_value(scratch, moved) < 0.05)
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    minutes, rates = (time.monotonic() - began) / 60, ", ".join(f"{rate:g}" for rate in RATES)
    verdicts = " and ".join(
        f"{'holds' if held else '**fails**'} at {epochs} epochs" for epochs, held in zip(LENGTHS, holds, strict=True)
    )
    lines = (
        f"Written by `scripts/bench/transfer` on {machine} in {minutes:.0f} minutes.\n",
        f"lenet_fashion_mnist, {LABELS} labels, from scratch or with weights of a LeNet that was trained on MNIST",
        f"for {SOURCE_EPOCHS} epochs. {SEEDS} seeds, each with other weights and labels. Each way has the rate of",
        f"{rates} whose dev error is lowest; gain (on training from scratch) and p are those of paired seeds.",
        f"That the convolutions of MNIST beat training from scratch (p < 0.05) {verdicts}.\n",
        "| epochs | weights at the start | rate | test error | of each seed in % | gain | p |",
        "| ---: | --- | ---: | ---: | --- | ---: | ---: |",
        *rows,
    )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))
    return 0 if any(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
