"""A LeNet that was trained on digits, moved to clothes with few labels, against LeNets that start from scratch."""

import os
import platform
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from scipy.stats import ttest_rel

sys.path.insert(0, str(Path(__file__).with_name("lesson_plans")))
from training import fitted, measured, trained

TABLE = Path(__file__).with_name("transfer.md")
SEEDS = 5
LABELS, EPOCHS, SOURCE_EPOCHS = 1000, 10, 2
RATES = (0.01, 0.03, 0.1)
SCRATCH = "from scratch"
CONVOLUTIONS, BODY = "^body.conv", "^body"


class Errors(NamedTuple):
    """Of a trained network, on the dev set and on the test set."""

    dev: float
    test: float


def ways(source: str) -> dict[str, dict[str, Any]]:
    """What the config says of the weights to start from, and of groups of parameters."""
    convolutions = {"init": {"from": source, "match": CONVOLUTIONS}}
    return {
        SCRATCH: {},
        "convolutions from MNIST": convolutions,
        "the same, frozen for 3 epochs": {**convolutions, "groups": [{"match": CONVOLUTIONS, "frozen": "3 epochs"}]},
        "all but the head from MNIST": {"init": {"from": source, "match": BODY}},
    }


def errors(seed: int, lr: float, init: Any = (), groups: Any = ()) -> Errors:
    """Those after training with some labels, of which each seed draws others."""
    optimizer = {"type": "sgd", "lr": lr, "momentum": 0.9, "nesterov": True, "groups": list(groups)}
    parts = trained(
        {
            "seed": seed,
            "data": {"type": "fashion_mnist", "batch_size": 32, "split": {"train": LABELS, "seed": seed}},
            "model": "lenet",
            "init": init or [],
            "optimizer": optimizer,
            "scheduler": {"type": "cosine", "warmup": "5%"},
            "regularizers": [{"type": "l2", "weight": 5e-4}],
            "trainer": {"length": f"{EPOCHS} epochs"},
        }
    )
    return Errors(*(measured(parts, split)["error_rate"] for split in ("dev", "test")))


def runs() -> dict[str, dict[float, list[Errors]]]:
    """The errors of each seed, by way and rate."""
    found: dict[str, dict[float, list[Errors]]] = {}
    for seed in range(SEEDS):
        with ExitStack() as kept:
            source = kept.enter_context(fitted("lenet_mnist", f"seed={seed}", f"trainer.length={SOURCE_EPOCHS} epochs"))
            for name, settings in ways(source["run"]).items():
                for lr in RATES:
                    found.setdefault(name, {}).setdefault(lr, []).append(errors(seed, lr, **settings))
    return found


def row(name: str, by_rate: dict[float, list[Errors]], scratch: list[float]) -> tuple[str, list[float]]:
    """A line of the table, and the test errors, at the rate whose dev error is lowest."""
    lr = min(by_rate, key=lambda rate: mean(found.dev for found in by_rate[rate]))
    tests = [found.test for found in by_rate[lr]]
    better = [before - after for before, after in zip(scratch or tests, tests, strict=True)]
    p = f"{ttest_rel(scratch, tests).pvalue:.2g}" if scratch else "-"
    gain = f"{mean(better):+.1%}" if scratch else "-"
    cells = (name, f"{lr:g}", f"{mean(tests):.1%}", " ".join(f"{100 * error:.1f}" for error in tests), gain, p)
    return "| " + " | ".join(cells) + " |", tests


def main() -> int:
    began = time.monotonic()
    found = runs()
    first, scratch = row(SCRATCH, found.pop(SCRATCH), [])
    rows = {name: row(name, by_rate, scratch) for name, by_rate in found.items()}
    moved = rows["convolutions from MNIST"][1]
    holds = mean(moved) < mean(scratch) and ttest_rel(scratch, moved).pvalue < 0.05
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    minutes, rates = (time.monotonic() - began) / 60, ", ".join(f"{rate:g}" for rate in RATES)
    lines = (
        f"Written by `scripts/bench/transfer` on {machine} in {minutes:.0f} minutes.\n",
        f"LeNet-5 on Fashion-MNIST with {LABELS} labels, {EPOCHS} epochs, from scratch or with weights of one that was",
        f"trained on MNIST for {SOURCE_EPOCHS} epochs. {SEEDS} seeds, each with other weights, other labels, another",
        f"MNIST network. Each way has the rate of {rates} whose dev error is lowest; gain (on training from scratch)",
        "and p are those of paired seeds.",
        f"That the convolutions of MNIST help {'holds' if holds else '**fails**'}.\n",
        "| weights at the start | rate | test error | of each seed in % | gain | p |",
        "| --- | ---: | ---: | --- | ---: | ---: |",
        first,
        *(line for line, _ in rows.values()),
    )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
