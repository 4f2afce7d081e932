"""Trains the shipped graph networks by the protocols of their papers and writes a table of their scores."""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nntrain import measure
from nntrain.assemble import assemble
from nntrain.config import dump
from nntrain.fit import fit
from nntrain.interruption import Interruption
from nntrain.request import Request, document
from nntrain.run import Run
from nntrain.trainer import Trainer

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_suffix(".md")
SEEDS, FOLDS = 10, 10
COLUMNS = "| row | protocol | test accuracy, % | published | seconds of training, each |"


class Silent:
    """A display that shows nothing."""

    def step(self, step: int) -> None: ...

    def evaluation(self, record: Any, is_best: bool) -> None: ...


@contextmanager
def silent(*_: Any) -> Any:
    yield Silent()


def quiet(note: str) -> None: ...


def trained(config: str, overrides: list[str], out: str) -> tuple[float, float]:
    """Test accuracy (%) of the best model by the dev set, and the seconds it took to train."""
    summary = fit(Request(str(ROOT / "configs" / f"{config}.yaml"), overrides, Path(out)), quiet, silent).summary
    assert summary["status"] in ("finished", "stopped_early"), summary["reason"]
    _, parts = measure.trained(Path(summary["run"]), [], False, quiet)
    return 100 * measure.measure(parts, "test").numbers["accuracy"], summary["seconds"]


def by_seed(config: str, out: str) -> tuple[list[float], list[float]]:
    """Accuracies and seconds of as many seeds."""
    runs = [trained(config, [f"seed={seed}"], out) for seed in range(SEEDS)]
    return [accuracy for accuracy, _ in runs], [seconds for _, seconds in runs]


class TestedAtEveryEpoch:
    """A data set whose test set is measured in place of the dev set."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def split(self, name: str) -> Any:
        return self._data.split("test" if name == "dev" else name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)


def curve(config: str, fold: int, out: str) -> tuple[list[float], float]:
    """The accuracy (%) on a fold after every epoch of training on all others, and the seconds that took."""
    overrides = [f"data.split={{folds: {FOLDS}, fold: {fold}, dev: 0}}", "trainer.monitor=train/error_rate"]
    parts = assemble(document(str(ROOT / "configs" / f"{config}.yaml"), overrides, quiet))
    parts = replace(parts, data=TestedAtEveryEpoch(parts.data))
    run = Run.create(Path(out), config, dump(parts.plain), {})
    trainer = Trainer(parts, run, None)
    began = time.monotonic()
    with Interruption() as interruption:
        trainer.train(Silent(), interruption)
        trainer.close()
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [100 * json.loads(line)["dev"]["accuracy"] for line in lines], time.monotonic() - began


def at_the_best_epoch(config: str, out: str) -> tuple[list[float], list[float]]:
    """The folds' accuracies at the epoch whose mean over the folds is best: it has seen the test sets."""
    runs = [curve(config, fold, out) for fold in range(FOLDS)]
    epochs = list(zip(*(accuracies for accuracies, _ in runs), strict=True))
    return list(max(epochs, key=statistics.mean)), [seconds for _, seconds in runs]


def by_inner_selection(config: str, out: str) -> tuple[list[float], list[float]]:
    """The folds' accuracies at the epoch that is best on a dev set taken from the other folds."""
    splits = [f"data.split={{folds: {FOLDS}, fold: {fold}, dev: 0.1}}" for fold in range(FOLDS)]
    runs = [trained(config, [split], out) for split in splits]
    return [accuracy for accuracy, _ in runs], [seconds for _, seconds in runs]


OFFICIAL = f"public split, {SEEDS} seeds, best epoch by the dev set"
Protocol = Callable[[str, str], tuple[list[float], list[float]]]
ROWS: dict[str, tuple[str, Protocol, str, str]] = {
    "gcn_cora": ("gcn_cora", by_seed, OFFICIAL, "81.5"),
    "gcn_citeseer": ("gcn_citeseer", by_seed, OFFICIAL, "70.3"),
    "gat_cora": ("gat_cora", by_seed, OFFICIAL, "83.0 ± 0.7"),
    "gin_mutag": ("gin_mutag", at_the_best_epoch, f"{FOLDS} folds, best epoch over the averaged folds", "89.4 ± 5.6"),
    "gin_mutag_inner": ("gin_mutag", by_inner_selection, f"{FOLDS} folds, best epoch by an inner dev set", "none"),
    "gin_proteins": (
        "gin_proteins",
        by_inner_selection,
        f"{FOLDS} folds, best epoch by an inner dev set",
        "73.3 ± 4.0",
    ),
}


def row(name: str) -> str:
    config, protocol, words, published = ROWS[name]
    with tempfile.TemporaryDirectory() as out:
        accuracies, seconds = protocol(config, out)
    score = f"{statistics.mean(accuracies):.1f} ± {statistics.stdev(accuracies):.1f}"
    print(f"{name}: {score}: {', '.join(f'{a:.1f}' for a in accuracies)}", file=sys.stderr)
    return f"| {name} | {words} | {score} | {published} | {statistics.mean(seconds):.1f} |"


def written() -> dict[str, str]:
    """The rows that the table has already, by name."""
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    return {line.split(" | ")[0].strip("| "): line for line in lines}


def write(rows: dict[str, str]) -> None:
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    head = f"Written by `scripts/bench/graphs` on {machine}; mean ± deviation of the runs.\n"
    ruler = "| --- | --- | ---: | ---: | ---: |"
    table = (head, COLUMNS, ruler, *(rows[name] for name in ROWS if name in rows))
    TABLE.write_text("\n".join(table) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; all where none is given")
    for name in parser.parse_args().rows or ROWS:
        write(written() | {name: row(name)})


if __name__ == "__main__":
    main()
