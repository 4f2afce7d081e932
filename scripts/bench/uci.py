"""Trains configs/mlp_uci.yaml on the 20 splits of each UCI table and writes a table of the errors on the test sets.

Of each split a tenth of its training part is the dev set, which says which step's network is kept; the test part is
only measured on.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nntrain.data.uci import SETS, SPLITS
from nntrain.fit import fit
from nntrain.measure import measure, trained
from nntrain.request import Request

CONFIG = Path(__file__).parents[2] / "configs" / "mlp_uci.yaml"
TABLE = Path(__file__).with_suffix(".md")
# Test RMSE of MC dropout with one hidden layer, mean ± standard error: Gal, Ghahramani 2016, arXiv:1506.02142, table 1.
PUBLISHED = {
    "boston": (2.97, 0.19),
    "concrete": (5.23, 0.12),
    "energy": (1.66, 0.04),
    "kin8nm": (0.10, 0.00),
    "yacht": (1.11, 0.09),
}
# Where other settings than the config's have a lower error on the dev sets: more steps, and the paper's dropout.
SETTINGS = {
    "boston": ("model.dropout=0.05", "trainer.length=8000 steps"),
    "concrete": ("model.dropout=0.05", "trainer.length=8000 steps", "optimizer.lr=0.02"),
}
COLUMNS = "| table | test RMSE | dev RMSE | MC dropout, published | at or below | seconds of training, each |"


class Silent:
    """A display that shows nothing."""

    def step(self, step: int) -> None: ...

    def evaluation(self, record: Any, is_best: bool) -> None: ...


@contextmanager
def silent(*_: Any) -> Any:
    yield Silent()


def quiet(note: str) -> None: ...


def tested(name: str, fold: int) -> tuple[float, float, float]:
    """The RMSE of the network that is best on the dev set, on the test set and on the dev set; and the seconds."""
    with tempfile.TemporaryDirectory() as out:
        request = Request(str(CONFIG), [f"data.name={name}", f"data.fold={fold}", *SETTINGS.get(name, ())], Path(out))
        summary = fit(request, quiet, silent).summary
        assert summary["status"] in ("finished", "stopped_early"), summary["reason"]
        _, parts = trained(Path(summary["run"]), [], False, quiet)
        error = measure(parts, "test").numbers["rmse"]
    return error, summary["best"]["metrics"]["rmse"], summary["seconds"]


def row(name: str, found: list[tuple[float, float, float]]) -> str:
    test, dev, seconds = zip(*found, strict=True)
    published, its_error = PUBLISHED[name]
    mean = statistics.mean(test)
    cells = (
        name,
        spread(test),
        spread(dev),
        f"{published:.2f} ± {its_error:.2f}",
        "yes" if round(mean, 2) <= published else "no",
        f"{statistics.mean(seconds):.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def spread(errors: tuple[float, ...]) -> str:
    """The mean and its standard error."""
    if len(errors) == 1:
        return f"{errors[0]:.3f}"
    return f"{statistics.mean(errors):.3f} ± {statistics.stdev(errors) / len(errors) ** 0.5:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="how many runs at a time, on one core each")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="tables (default: all)")
    parser.add_argument("--splits", type=int, default=SPLITS, help=f"how many of the splits (default: all {SPLITS})")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = measured_before() if asked.splits == SPLITS else {}
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as jobs:
        for name in asked.sets:
            rows[name] = row(name, list(jobs.map(tested, [name] * asked.splits, range(asked.splits))))
            print(rows[name], file=sys.stderr)
    text = table([rows[name] for name in SETS if name in rows], asked.splits)
    if asked.splits == SPLITS:
        TABLE.write_text(text, encoding="utf-8")
    print(text)


def measured_before() -> dict[str, str]:
    """The rows of the table as it is, for the sets that are not measured now."""
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    return {name: line for line in lines for name in SETS if line.startswith(f"| {name} |")}


def table(rows: list[str], splits: int) -> str:
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    head = (
        f"Written by `scripts/bench/uci` on {machine}: `configs/mlp_uci.yaml` on {splits} splits, mean ± standard "
        "error;\nthe network that is best on a tenth of the training part, tested on the test part.\n"
    )
    others = "; ".join(f"{name}: `{' '.join(settings)}`" for name, settings in SETTINGS.items())
    foot = f"\nWith other settings where these have a lower error on the dev sets, {others}."
    return "\n".join((head, COLUMNS, "| --- " + "| ---: " * 3 + "| --- | ---: |", *rows, foot)) + "\n"


if __name__ == "__main__":
    main()
