"""Runs `nntrain check` on healthy configs and on planted faults, and writes how often the rules raise an alarm."""

import argparse
import copy
import os
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from zoo import FAULTS, HEALTHY, Config

from nntrain.check import check
from nntrain.config import find, load
from nntrain.errors import UserError
from nntrain.preflight.finding import Finding
from nntrain.registry import KINDS, Registry
from nntrain.request import document

TABLE = Path(__file__).with_name("preflight.md")
PLUGIN = Path(__file__).with_name("planted.py")
MOST_FALSE, LEAST_FOUND = 0.03, 0.65


@dataclass(frozen=True)
class Checked:
    """One config with one seed: the rules that raised an alarm, and those that made a remark."""

    alarms: tuple[str, ...]
    remarks: tuple[str, ...]


def config_of(name: str, planted: Config | None = None) -> Config | None:
    """A healthy config, with the fault planted; None where it is of components that are not there."""
    config = copy.deepcopy(HEALTHY[name])
    if "shipped" in config:
        try:
            config = load(find(config["shipped"])).data
        except UserError:
            return None
    for section, settings in (planted or {}).items():
        healthy = config[section]
        if section == "optimizer":
            config[section] = {**healthy, **settings}
        else:
            config[section] = {key: healthy if value == "HEALTHY" else value for key, value in settings.items()}
    return {**config, "plugins": [str(PLUGIN)]} if _is_known(config) else None


def _is_known(config: Config) -> bool:
    registry = Registry([PLUGIN])
    types = {kind: config[kind] for kind in ("data", "model")}
    names = {kind: value["type"] if isinstance(value, dict) else value for kind, value in types.items()}
    return all(names[kind] in registry.names(kind) for kind in names if kind in KINDS)


def checked(config: Config, seeds: int, folder: Path) -> list[Checked]:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [check_once(path, seed) for seed in range(seeds)]


def check_once(path: Path, seed: int) -> Checked:
    try:
        findings = check(document(str(path), [f"seed={seed}"], lambda note: None), str(path), []).findings
    except UserError as error:
        print(f"refused: {error}", file=sys.stderr)
        return Checked(("refused",), ())
    return Checked(_rules(findings, "alarm"), _rules(findings, "remark"))


def _rules(findings: Iterable[Finding], level: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.rule for finding in findings if finding.level == level))


def rate(runs: Iterable[Checked]) -> str:
    runs = list(runs)
    hits = sum(bool(run.alarms) for run in runs)
    return f"{hits} of {len(runs)} ({share(runs):.1%})"


def share(runs: Iterable[Checked]) -> float:
    runs = list(runs)
    return sum(bool(run.alarms) for run in runs) / max(1, len(runs))


def counted(runs: Iterable[Checked], level: str) -> str:
    counts = Counter(rule for run in runs for rule in getattr(run, level))
    return ", ".join(f"{rule} {count}" for rule, count in counts.most_common())


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(
    healthy: Mapping[str, list[Checked]], faulty: Mapping[str, list[Checked]], missing: list[str], options: str
) -> str:
    well, ill = ([run for runs in part.values() for run in runs] for part in (healthy, faulty))
    rules = dict.fromkeys(rule for run in (*ill, *well) for rule in run.alarms)
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {version('torch')}"
    parts = [
        f"Written by `scripts/bench/preflight {options}` on {machine}. Faults and rules have the same author.",
        f"Healthy runs with an alarm: {rate(well)}, of {len(healthy)} configs; at most {MOST_FALSE:.0%} is asked.\n"
        f"Faulty runs with an alarm: {rate(ill)}, of {len(faulty)} kinds; at least {LEAST_FOUND:.0%} is asked.",
        *([f"Missing, since a component is: {', '.join(missing)}."] if missing else []),
        table(
            ("rule", "alarms in healthy runs", "alarms in faulty runs"),
            [(r, *(str(sum(r in run.alarms for run in runs)) for runs in (well, ill))) for r in sorted(rules)],
        ),
        table(
            ("fault", "runs with an alarm", "alarms", "remarks"),
            [(name, rate(r), counted(r, "alarms"), counted(r, "remarks")) for name, r in faulty.items()],
        ),
        table(
            ("healthy config", "runs with an alarm", "alarms", "remarks"),
            [(name, rate(r), counted(r, "alarms"), counted(r, "remarks")) for name, r in healthy.items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="check with the seeds 0 to N - 1 (default: 5)")
    parser.add_argument("--fault-seeds", type=int, help="the same for planted faults (default: as --seeds)")
    parser.add_argument("--only", default="", help="only what has this in its name; writes no table")
    asked = parser.parse_args()
    fault_seeds = asked.fault_seeds or asked.seeds
    wanted: dict[tuple[str, str], Any] = {("", name): config_of(name) for name in HEALTHY}
    for fault, (planted, bases) in FAULTS.items():
        wanted |= {(fault, base): config_of(base, planted) for base in bases}
    missing = [" in ".join(filter(None, key)) for key, config in wanted.items() if config is None]
    healthy: dict[str, list[Checked]] = {}
    faulty: dict[str, list[Checked]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for (fault, base), config in wanted.items():
            if config is None or asked.only not in f"{fault} {base}":
                continue
            runs = checked(config, fault_seeds if fault else asked.seeds, Path(folder))
            print(f"{fault or 'healthy'}: {base}: {rate(runs)} {counted(runs, 'alarms')}", file=sys.stderr, flush=True)
            into, name = (faulty, fault) if fault else (healthy, base)
            into.setdefault(name, []).extend(runs)
    options = f"--seeds {asked.seeds}" + (f" --fault-seeds {fault_seeds}" if fault_seeds != asked.seeds else "")
    text = report(healthy, faulty, missing, options)
    if not asked.only:
        TABLE.write_text(text, encoding="utf-8")
    print(text)
    well, ill = ([run for runs in part.values() for run in runs] for part in (healthy, faulty))
    sys.exit(bool(missing) or share(well) > MOST_FALSE or share(ill) < LEAST_FOUND)


if __name__ == "__main__":
    main()
