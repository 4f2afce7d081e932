"""The trained models of several runs, which are to be used as one."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nntrain.config import differences
from nntrain.data import Learned
from nntrain.errors import UserError
from nntrain.measure import trained
from nntrain.parts import Trained
from nntrain.run import ENDED, Run

Say = Callable[[str], None]
ONLY_IN_TRAINING = (
    "batch_size",
    "sampler",
    "augment",
    "mix",
    "keep",
    "root",
)  # what evaluated examples do not depend on


@dataclass(frozen=True)
class Asked:
    """Which trained models: checkpoints, runs or studies, with changed settings."""

    places: Sequence[Path]
    overrides: Sequence[str] = ()
    allow_plugins: bool = False


@dataclass(frozen=True)
class Member:
    """A trained model and its checkpoint."""

    path: Path
    parts: Trained


def one_of(asked: Asked, say: Say) -> Member:
    """The trained model that is asked for; UserError where there are several."""
    runs = _all_runs(asked, say)
    if len(runs) != 1:
        raise UserError(f"{len(runs)} models are used as one with --ensemble average or vote, or --average weights")
    return Member(*trained(runs[0], asked.overrides, asked.allow_plugins, say))


def members_of(asked: Asked, say: Say) -> list[Member]:
    """The trained models that are asked for; UserError where they are not of the same examples and task."""
    runs = _all_runs(asked, say)
    if len(runs) < 2:
        raise UserError("models together are two checkpoints or runs, or more; or the folder of a study (fit --seeds)")
    first, *others = (Member(*trained(run, asked.overrides, asked.allow_plugins, say)) for run in runs)
    for other in others:
        different = _differences(first.parts, other.parts)
        if different:
            message = "models together must be of the same data and task"
            raise UserError(f"{first.path} and {other.path} differ in {different[0]}; {message}")
    data = first.parts.data  # so that the examples are read once
    return [first, *(Member(other.path, replace(other.parts, data=data)) for other in others)]


def _all_runs(asked: Asked, say: Say) -> list[Path]:
    return [run for place in asked.places for run in _runs_of(place, say)]


def _runs_of(place: Path, say: Say) -> list[Path]:
    """A run or checkpoint itself; of a study's folder the runs that ended well."""
    try:
        runs = json.loads((place / "summary.json").read_text(encoding="utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError):
        return [place]
    found = [place / Path(run).name for run in runs]  # also where the folder was moved
    unwell = {run: Run(run).summary_status() for run in found if Run(run).summary_status() not in ENDED}
    for run, status in unwell.items():
        say(f"{run} is left out: {status or 'it has not ended'}")
    return [run for run in found if run not in unwell]


def _differences(one: Trained, other: Trained) -> list[str]:
    found = [
        line
        for section in ("data", "task")
        for line in differences(_evaluated(one.plain[section]), _evaluated(other.plain[section]), section)
    ]
    found += differences(one.plain["trainer"]["precision"], other.plain["trainer"]["precision"], "trainer.precision")
    return found if found or _are_same(one.data.learned, other.data.learned) else ["what they know of their data"]


def _evaluated(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section without what matters in training only."""
    return {name: value for name, value in section.items() if name not in ONLY_IN_TRAINING}


def _are_same(one: Learned, other: Learned) -> bool:
    return (
        (one.inputs, one.targets, one.facts) == (other.inputs, other.targets, other.facts)
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
    )
