"""What a command tells: messages on standard error, results on standard output."""

import contextlib
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nntrain.invocation import command

if TYPE_CHECKING:
    from nntrain.tables import Table


def results_apart() -> contextlib.AbstractContextManager[Any]:
    """Within it, what anything prints (a plug-in, say) is a message: standard output is for results."""
    return contextlib.redirect_stdout(sys.stderr)


def say(message: str) -> None:
    # Whoever reads the messages may have gone; that ends no run.
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def print_json(value: Mapping[str, Any]) -> None:
    from nntrain.writers import finite

    print(json.dumps(finite(value)))


def print_tables(tables: "Sequence[Table]") -> None:
    from rich.console import Console

    from nntrain.terminal import table

    console = Console()
    for content in tables:
        console.print(table(content))


def print_results(summary: Mapping[str, Any]) -> None:
    from nntrain.terminal import results

    if summary["train"] or summary["dev"]:
        print_tables([results(summary)])
    speed = summary["examples_per_second"]
    pace = f", {speed:,.0f} examples/s" if speed else ""
    size = f"{summary['model']['type']} with {summary['model']['parameters']:,} parameters"
    print(f"{size}: {summary['status']} after {summary['epochs']:.4g} epochs, {summary['seconds']:.1f} s{pace}")
    path = Path(summary["run"])
    run = shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
    print(f"run          {run}")
    print(f"the curves   {command()} board {run}")
    if summary["best"]:
        print(f"its worth    {command()} eval {run} --split test")
    if "profile" in summary:
        _print_profile(summary["profile"])


def _print_profile(found: Mapping[str, Any] | None) -> None:
    from nntrain.breakdown import tables

    if found is None:
        print("profile      the run was over before there were steps to look at")
        return
    print_tables(tables(found))
    if found["note"]:
        print(f"profile      {found['note']}")
    print(f"the trace    {shlex.quote(found['trace'])} (open it on https://ui.perfetto.dev or in chrome://tracing)")


def print_study(summary: Mapping[str, Any]) -> None:
    from nntrain.study import table

    print_tables([table(summary)])
    runs = shlex.quote(summary["run"])
    print(f"{len(summary['runs'])} runs: {summary['status']}, {summary['seconds']:.1f} s of training")
    print(f"the runs     {runs}")
    print(f"the curves   {command()} board {runs}")
    picture = Path(summary["run"]) / "curves.png"
    if picture.is_file():
        print(f"their mean   {shlex.quote(str(picture))}")
    if summary["best"]:
        print(f"the best     {command()} eval {shlex.quote(summary['best']['checkpoint'])} --split test")
