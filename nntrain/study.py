"""Many runs from one config: seeds and folds, and what they say together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from nntrain.band_pictures import write_pictures
from nntrain.bands import bands_of
from nntrain.batch_size import settings_for
from nntrain.course import Show
from nntrain.durable import write_durably
from nntrain.errors import UserError
from nntrain.fit import Result, fit
from nntrain.request import Request, Say, document
from nntrain.run import ENDED, now, own_folder
from nntrain.spread import deviation, interval
from nntrain.tables import Table
from nntrain.writers import finite

Variants = Mapping[str, Sequence[str]]


def seeds(count: int) -> Variants:
    """Runs that differ in their weights, order and noise: the overrides of each, by the name of its folder."""
    return {f"seed-{seed}": [f"seed={seed}"] for seed in range(count)}


def folds(count: int) -> Variants:
    """Runs of which each is tested on another part of the data."""
    return {f"fold-{fold}": [f"data.split.folds={count}", f"data.split.fold={fold}"] for fold in range(count)}


def study(request: Request, variants: Variants, kind: str, say: Say, show: Show) -> Result:
    """Trains each variant as a run of its own below one folder; an interrupted one is the last."""
    if request.profile:
        raise UserError(f"--profile looks at one run; leave --{kind} out")
    if request.resume is not None or request.config is None:
        raise UserError(f"--{kind} starts new runs of a config; an interrupted one of them goes on with fit --resume")
    settings = settings_for(document(request.config, request.overrides, say), request.overrides, say)
    with own_folder(request.out / Path(request.config).stem / f"{now()}-{kind}") as folder:
        results = _trained(replace(request, overrides=settings), variants, kind, folder, say, show)
    summary = together([result.summary for result in results], folder, results[0].better)
    write_durably(folder / "summary.json", json.dumps(finite(summary), indent=1).encode())
    _draw([result.summary for result in results], folder)
    return Result(summary, max(result.exit_status for result in results))


def _trained(request: Request, variants: Variants, kind: str, folder: Path, say: Say, show: Show) -> list[Result]:
    """The runs, one after the other, up to one that is interrupted."""
    results: list[Result] = []
    for number, (label, variant) in enumerate(variants.items(), start=1):
        say(f"{kind} {number} of {len(variants)}: {' '.join(variant)}")
        overrides = [*request.overrides, *variant]
        one = replace(request, overrides=overrides, out=folder.parent, folder=folder.name, label=label)
        results.append(fit(one, say, show))
        if results[-1].summary["status"] == "interrupted":
            break
    return results


def _draw(summaries: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Draws the curves of the runs that ended well as bands, where there are several."""
    well = [summary for summary in summaries if summary["status"] in ENDED]
    if len(well) > 1:
        metrics = {part: list(well[0][part]) for part in ("train", "dev")}
        bands = bands_of([Path(summary["run"]) for summary in well], metrics)
        if any(bands.values()):
            write_pictures(folder, folder.parent.name, bands)


def together(summaries: Sequence[Mapping[str, Any]], folder: Path, better: str) -> dict[str, Any]:
    """Mean, standard deviation and 95 % interval of every metric over runs, and the best of them.

    `better` says whether the metric that the runs are judged by is to be lower or higher.
    """
    parts = {part: [_metrics(summary, part) for summary in summaries] for part in ("train", "dev", "best")}
    last = summaries[-1]
    unwell = [s for s in summaries if s["status"] not in ENDED]
    return {
        "run": str(folder.resolve()),
        "status": unwell[0]["status"] if unwell else "finished",
        "reason": unwell[0]["reason"] if unwell else None,
        "seconds": sum(summary["seconds"] for summary in summaries),
        "model": last["model"],
        "runs": [summary["run"] for summary in summaries],
        "best": _best([summary["best"] for summary in summaries if summary["best"]], better),
        **{name: {part: _each(how, found) for part, found in parts.items()} for name, how in _STATISTICS.items()},
    }


def table(summary: Mapping[str, Any]) -> Table:
    """Metrics, each as mean +- half of its interval."""
    names = {"train": "train", "dev": "dev", "best": "dev, best model"}
    shown = [part for part in names if summary["mean"][part]]
    metrics = dict.fromkeys(metric for part in shown for metric in summary["mean"][part])
    rows = tuple((metric, *(_said(summary, part, metric) for part in shown)) for metric in metrics)
    title = f"{len(summary['runs'])} runs: mean +- half of the 95 % interval"
    return Table(title, ("metric", *(names[part] for part in shown)), rows)


def _said(summary: Mapping[str, Any], part: str, metric: str) -> str:
    if metric not in summary["mean"][part]:
        return "-"
    low, high = summary["interval"][part][metric]
    return f"{summary['mean'][part][metric]:.4g} +- {(high - low) / 2:.2g}"


def _metrics(summary: Mapping[str, Any], part: str) -> dict[str, float]:
    found = summary[part]["metrics"] if part == "best" and summary["best"] else summary[part]
    return found or {}


def _each(how: Any, found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """A statistic of every metric that all runs have."""
    names = [name for name in found[0] if all(name in metrics for metrics in found)]
    return {name: how([metrics[name] for metrics in found]) for name in names}


def _best(found: Sequence[Mapping[str, Any]], better: str) -> Mapping[str, Any] | None:
    """The best model of all runs."""
    choose = max if better == "higher" else min
    return choose(found, key=lambda best: best["value"], default=None)


_STATISTICS = {"mean": mean, "deviation": deviation, "interval": interval}
